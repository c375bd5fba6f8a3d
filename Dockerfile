# Debian and not Alpine: nvidia-smi is mounted in by NVIDIA's runtime, and needs glibc.
# Docker 20.10's BuildKit builds this as it is: no syntax line, so no frontend is pulled.
ARG NODE_VERSION=24.21.0
ARG DEBIAN_VARIANT=bookworm-slim

FROM node:${NODE_VERSION}-${DEBIAN_VARIANT} AS base
WORKDIR /app
# Receipts go to stdout as they are made, a JSON line each; nothing is written to files.
ENV NODE_ENV=production \
    OLLASCOPE_LOG_FORMAT=json

# All packages, for building and testing. The project's own Node comes with them, by its install script.
FROM base AS deps
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --include=dev

# Serves from the sources, again on every change: mount src over /app/src.
FROM deps AS development
ENV NODE_ENV=development
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY test/captures test/captures
COPY docs/openapi.yaml docs/config.schema.json docs/config.md docs/
RUN install -d -o node -g node -m 0775 /var/lib/ollascope
USER node
EXPOSE 11435 9435
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["node", "/app/src/main.ts", "healthcheck"]
ENTRYPOINT ["node", "--watch-path=/app/src", "--watch-preserve-output", "/app/src/main.ts"]
CMD ["serve"]

FROM deps AS build
ARG REVISION=unknown
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run --silent build && echo "${REVISION}" > dist/REVISION

# `docker build --target test .` fails where unit tests do.
FROM build AS test
ENV NODE_ENV=test
COPY . .
RUN npx --no vitest run test/unit
CMD ["npx", "--no", "vitest", "run", "test/unit"]

# What runs in production, and nothing else.
FROM base AS packages
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts

FROM base AS production
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ollascope" \
      org.opencontainers.image.description="A transparent proxy and collectors in front of Ollama, for Prometheus" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${REVISION}"
# Nobody installs packages in a running container.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn* \
      /usr/local/bin/yarn /usr/local/bin/yarnpkg \
 && install -d -o node -g node -m 0775 /var/lib/ollascope
COPY package.json ./
COPY docs/openapi.yaml docs/config.schema.json docs/config.md docs/
# `ollascope demo` plays these.
COPY test/captures/ollama test/captures/ollama
COPY test/captures/ollama-0.33 test/captures/ollama-0.33
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
USER node
# The proxy is reached from outside of the container; the admin listener stays on loopback until it has a token.
ENV OLLASCOPE_LISTEN=:11435
EXPOSE 11435 9435
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["node", "/app/dist/main.js", "healthcheck"]
ENTRYPOINT ["node", "/app/dist/main.js"]
CMD ["serve"]
