import { installed, nameOf, type Lock, type Wanted } from './lock.ts'
import { isInRange } from './versions.ts'

interface Incident {
  readonly what: string
  /** Ranges of the bad versions by name; see `isInRange`. */
  readonly packages: Wanted
}

/** Releases that nobody may install, ever. Complete for no incident with hundreds of packages: what tools like ours use. */
export const incidents: readonly Incident[] = [
  {
    what: 'CVE-2026-58044: 2,100 tiny headers hide a Content-Length (431 from 22.23.2, 24.18.1 and 26.5.1 on, no fix in 25)',
    packages: { node: '<22.23.2 || >=23.0.0 <24.18.1 || >=25.0.0 <26.5.1' },
  },
  {
    what: 'July 2018: a stolen account, npm tokens stolen at install',
    packages: { 'eslint-scope': '3.7.2', 'eslint-config-eslint': '5.0.2' },
  },
  {
    what: 'September 2018: a new maintainer added code that steals wallets',
    packages: { 'event-stream': '3.3.6', 'flatmap-stream': '*' },
  },
  {
    what: 'October and November 2021: stolen accounts, miners and password stealers at install',
    packages: {
      'ua-parser-js': '0.7.29 || 0.8.0 || 1.0.0',
      coa: '2.0.3 || 2.0.4 || 2.1.1 || 2.1.3 || 3.0.1 || 3.1.3',
      rc: '1.2.9 || 1.3.9 || 2.3.9',
    },
  },
  {
    what: 'January 2022: broken by its own author, on purpose',
    packages: { colors: '1.4.1 || 1.4.2 || 1.4.44-liberty-2', faker: '6.6.6' },
  },
  {
    what: 'March 2022: overwrites or drops files by where the machine is (CVE-2022-23812)',
    packages: { 'node-ipc': '9.2.2 || 10.1.1 || 10.1.2 || 11.0.0 || 11.1.0', peacenotwar: '*' },
  },
  {
    what: 'December 2023 to May 2025: stolen accounts or tokens, wallets drained, a miner, remote access',
    packages: {
      '@ledgerhq/connect-kit': '1.1.5 || 1.1.6 || 1.1.7',
      '@lottiefiles/lottie-player': '2.0.5 || 2.0.6 || 2.0.7',
      '@solana/web3.js': '1.95.6 || 1.95.7',
      '@rspack/core': '1.1.7',
      '@rspack/cli': '1.1.7',
      xrpl: '2.14.2 || 4.2.1 || 4.2.2 || 4.2.3 || 4.2.4',
      'rand-user-agent': '1.0.110 || 2.0.83 || 2.0.84',
    },
  },
  {
    what: 'July 2025: phished maintainers, malware (CVE-2025-54313 and what followed)',
    packages: {
      'eslint-config-prettier': '8.10.1 || 9.1.1 || 10.1.6 || 10.1.7',
      'eslint-plugin-prettier': '4.2.2 || 4.2.3',
      synckit: '0.11.9',
      '@pkgr/core': '0.2.8',
      'napi-postinstall': '0.3.1',
      'got-fetch': '5.1.11 || 5.1.12',
      is: '3.3.1 || 5.0.0',
    },
  },
  {
    what: 'August 2025: a stolen token, secrets published at install (GHSA-cxm3-wv7p-598c)',
    packages: {
      nx: '20.9.0 || 20.10.0 || 20.11.0 || 20.12.0 || 21.5.0 || 21.6.0 || 21.7.0 || 21.8.0',
      '@nx/devkit': '20.9.0 || 21.5.0',
      '@nx/js': '20.9.0 || 21.5.0',
      '@nx/node': '20.9.0 || 21.5.0',
      '@nx/workspace': '20.9.0 || 21.5.0',
      '@nx/eslint': '21.5.0',
      '@nx/key': '3.2.0',
      '@nx/enterprise-cloud': '3.2.0',
    },
  },
  {
    what: 'September 2025: phished maintainers, payments redirected',
    packages: {
      'ansi-regex': '6.2.1',
      'ansi-styles': '6.2.2',
      backslash: '0.2.1',
      chalk: '5.6.1',
      'chalk-template': '1.1.1',
      color: '5.0.1',
      'color-convert': '3.1.1',
      'color-name': '2.0.1',
      'color-string': '2.1.1',
      debug: '4.4.2',
      'error-ex': '1.3.3',
      'has-ansi': '6.0.1',
      'is-arrayish': '0.3.3',
      'simple-swizzle': '0.2.3',
      'slice-ansi': '7.1.1',
      'strip-ansi': '7.1.1',
      'supports-color': '10.2.1',
      'supports-hyperlinks': '4.1.1',
      'wrap-ansi': '9.0.1',
      duckdb: '1.3.3',
      '@duckdb/node-api': '1.3.3',
      '@duckdb/node-bindings': '1.3.3',
      '@duckdb/duckdb-wasm': '1.29.2',
    },
  },
  {
    what: 'September 2025: the worm Shai-Hulud',
    packages: {
      '@ctrl/tinycolor': '4.1.1 || 4.1.2',
      'ngx-bootstrap': '18.1.4 || 19.0.3 || 19.0.4 || 20.0.3 || 20.0.4 || 20.0.5 || 20.0.6',
      'ng2-file-upload': '7.0.2 || 7.0.3 || 8.0.1 || 8.0.2 || 8.0.3 || 9.0.1',
    },
  },
  {
    what: 'November 2025: the worm again',
    packages: {
      'posthog-js': '1.297.3',
      'posthog-node': '4.18.1 || 5.11.3 || 5.13.3',
      '@asyncapi/specs': '6.8.2 || 6.8.3 || 6.9.1 || 6.10.1',
    },
  },
  {
    what: 'March 2026: a stolen account, remote access at install',
    packages: { axios: '0.30.4 || 1.14.1', 'plain-crypto-js': '*' },
  },
  {
    what: 'April and May 2026: the worm through release pipelines, with valid provenance (CVE-2026-45321)',
    packages: {
      '@bitwarden/cli': '2026.4.0',
      'intercom-client': '7.0.4',
      '@mistralai/mistralai': '2.2.2 || 2.2.3 || 2.2.4',
      '@tanstack/history': '1.161.9 || 1.161.12',
      '@tanstack/react-router': '1.169.5 || 1.169.8',
      '@tanstack/router-core': '1.169.5 || 1.169.8',
      '@tanstack/router-plugin': '1.167.38 || 1.167.41',
    },
  },
  {
    what: 'May 2026: a stolen account, secrets stolen',
    packages: { 'node-ipc': '9.1.6 || 9.2.3 || 12.0.1' },
  },
  {
    what: 'June and July 2026: stolen tokens, malware at install',
    packages: {
      '@mastra/core': '1.42.1',
      'easy-day-js': '*',
      jscrambler: '8.14.0 || 8.16.0 || 8.17.0 || 8.18.0 || 8.20.0',
    },
  },
  {
    what: 'August 2026: the worm, by way of a cache that many linters use',
    packages: {
      '@cacheable/memory': '2.2.1',
      '@cacheable/net': '2.1.1',
      '@cacheable/node-cache': '3.1.2',
      '@cacheable/utils': '2.5.1',
      'cache-manager': '7.2.10',
      cacheable: '2.5.1',
      'cacheable-request': '13.0.20',
      'file-entry-cache': '11.1.6',
      'flat-cache': '6.1.24',
      keyv: '6.0.0',
    },
  },
]

/** One line for each installed package that is known to be bad. */
export function findKnownBad(lock: Lock): readonly string[] {
  return installed(lock).flatMap(([folder, locked]) => {
    const [name, version = ''] = [nameOf(folder, locked), locked.version]
    return incidents
      .filter(({ packages }) => Object.hasOwn(packages, name) && isInRange(version, packages[name] ?? ''))
      .map(({ what }) => `${name}@${version} in ${folder}: ${what}`)
  })
}
