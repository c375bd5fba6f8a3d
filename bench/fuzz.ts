// Raw requests by the ten thousands against the product in this process; test/integration/fuzz.test.ts is a short run.
//   [FUZZ_SEED=1] [FUZZ_COUNT=10000] [FUZZ_FROM=0] node bench/fuzz.ts
import { fuzz } from '../test/integration/fuzz-run.ts'

const SEED = Number(process.env.FUZZ_SEED ?? 1)
const COUNT = Number(process.env.FUZZ_COUNT ?? 10_000)
const FROM = Number(process.env.FUZZ_FROM ?? 0)
/** Cases that one product takes before it has to close, and all is compared. */
const BATCH = 2000

let findings = 0
for (let at = FROM; at < FROM + COUNT; at += BATCH) {
  const count = Math.min(BATCH, FROM + COUNT - at)
  console.log(`FUZZ_SEED=${SEED} FUZZ_FROM=${at} FUZZ_COUNT=${count}`)
  const report = await fuzz(SEED, count, at)
  findings += report.findings.length
  for (const finding of report.findings) console.log(`\n${finding}\n`)
  console.log(`  ${report.asked} valid requests, ${report.seen} at the upstream, ${report.receipts} receipts`)
  console.log(`  ${JSON.stringify(report.statuses)}`)
}
console.log(`${COUNT} connections, ${findings} findings`)
process.exit(findings > 0 ? 1 : 0)
