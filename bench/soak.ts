// Hours of mixed traffic and faults in minutes, and whether anything is left of it; see README.md.
//   SOAK_MINUTES=10 SOAK_SEED=1 node bench/soak.ts
import { judgeGrowth } from './soak/flat.ts'
import { soak } from './soak/run.ts'
import { HEAD, roundRow, verdict } from './soak/table.ts'

const { SOAK_MINUTES = '10', SOAK_SEED = '20261121' } = process.env
const VISITS = 1500
const AT_ONCE = 100
/** Code is compiled and pools are filled in the first rounds. */
const WARM_UP = 2
/** Fewer tell nothing, however few minutes there are. */
const LEAST = WARM_UP + 3

const minutes = Number(SOAK_MINUTES)
if (!(minutes > 0)) throw new Error('SOAK_MINUTES is no number of minutes')
const endMs = performance.now() + minutes * 60_000
console.log(HEAD)
const report = await soak({
  seed: Number(SOAK_SEED),
  visits: VISITS,
  atOnce: AT_ONCE,
  goesOn: (rounds) => rounds < LEAST || performance.now() < endMs,
  onRound: (round) => console.log(roundRow(round)),
})
const growth = judgeGrowth(report.rounds, WARM_UP)
console.log(`\n${verdict(report, growth)}`)
process.exitCode = report.problems.length === 0 && growth.every(({ flat }) => flat) ? 0 : 1
