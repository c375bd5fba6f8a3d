import type { Config } from './config.ts'
import type { Limits, ModelLimits } from './proxy/context.ts'

/** What the settings grant every model, and what the config file grants some of them instead. */
export function createLimits({ timeouts, retries, models }: Pick<Config, 'timeouts' | 'retries' | 'models'>): Limits {
  const usual: ModelLimits = { time: timeouts, retries }
  const special = new Map<string, ModelLimits>()
  for (const [model, own] of models) {
    special.set(model, {
      time: {
        ...timeouts,
        firstByteMs: own.firstByteMs ?? timeouts.firstByteMs,
        idleMs: own.idleMs ?? timeouts.idleMs,
      },
      retries: { connect: own.connectRetries ?? retries.connect, delayMs: own.retryDelayMs ?? retries.delayMs },
    })
  }
  const times = [usual, ...special.values()].flatMap(({ time }) => [time.connectMs, time.firstByteMs, time.idleMs])
  return {
    of: (model) => (model === undefined ? undefined : special.get(model)) ?? usual,
    retriesByModel: [...special.values()].some(
      ({ retries: own }) => own.connect !== retries.connect || own.delayMs !== retries.delayMs,
    ),
    shortestMs: Math.min(...times, timeouts.requestMs ?? Infinity),
  }
}
