/** What is sound, and may still surprise whoever deploys it. `infra/deploy` prints it, and goes on. */
import { existsSync, readFileSync } from 'node:fs'

import type { Settings } from './settings.ts'
import { parsed } from './toml.ts'

/** Of `cdp.toml`, what concerns this. The functions check the rest. */
interface OneMachines {
  readonly stream?: { readonly shards?: number }
  readonly retention?: { readonly stream_hours?: number }
  readonly limits?: Record<string, number>
}

/** What `cdp init` writes: nobody chose that, so nobody is surprised. */
const TEMPLATE = new URL('../../crates/cdp-deployment/src/template.toml', import.meta.url)

/** `file`: the deployment's `cdp.toml`. */
export function adviceOn(settings: Settings, file: string): string[] {
  const unheeded = existsSync(file) ? unheededOf(settings, parsed('cdp.toml', readFileSync(file, 'utf8')) as OneMachines) : []
  if (settings.stage === 'prod' && settings.alarmEmail === undefined) {
    return ['nobody is told of alarms: give the context alarmEmail, or subscribe to the topic of the output AlarmTopic', ...unheeded]
  }
  return unheeded
}

/** One machine has a log of its own, and closes batches itself; here Kinesis and Lambda do, as contexts say. */
function unheededOf({ stream, ingest }: Settings, { stream: { shards } = {}, retention = {}, limits = {} }: OneMachines): string[] {
  const there = stream.shards === undefined ? 'is on demand' : `has ${stream.shards}`
  const hours = stream.retention.toHours()
  const initial = parsed('template.toml', readFileSync(TEMPLATE, 'utf8')) as OneMachines
  const isOther = (value: number | undefined, ...expected: (number | undefined)[]) => value !== undefined && !expected.includes(value)
  return [
    ...(isOther(shards, stream.shards, initial.stream?.shards)
      ? [`stream.shards = ${shards} is not heeded on AWS: the stream ${there}, by the context shards`]
      : []),
    ...(isOther(retention.stream_hours, hours, initial.retention?.stream_hours)
      ? [`retention.stream_hours = ${retention.stream_hours} is not heeded on AWS: the stream keeps ${hours} hours, by its stage`]
      : []),
    ...Object.entries(limits).filter(([key]) => key.startsWith('ingest_')).map(([key, value]) => (
      `limits.${key} = ${value} is not heeded on AWS: a batch waits ${ingest.batchWindow.toSeconds()} s, by the context batchSeconds`
    )),
  ].map((text) => `cdp.toml: ${text}`)
}
