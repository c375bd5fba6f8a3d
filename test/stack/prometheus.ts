import type { Dockerd } from '../helpers/dockerd.ts'
import { askFromHost } from './ask.ts'

interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** What Prometheus of the stack answers to a query now; nothing where it does not answer yet. */
export async function queryPrometheus(dockerd: Dockerd, expr: string): Promise<readonly Sample[]> {
  const path = `/api/v1/query?${new URLSearchParams({ query: expr }).toString()}`
  const { status, body } = await askFromHost(dockerd, `http://127.0.0.1:9090${path}`)
  if (status !== 200) return []
  const { data } = JSON.parse(body) as { data: { result: { metric: Sample['labels']; value: [number, string] }[] } }
  return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
}
