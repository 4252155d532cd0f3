/**
 * What a deployment chooses, read once from the context (`cdk -c NAME=VALUE`). A wrong value stops here, with its name.
 */
import type { Node } from 'constructs'
import { Duration } from 'aws-cdk-lib'
import { Architecture } from 'aws-cdk-lib/aws-lambda'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'

import { Refusal } from './refusal.ts'

/** What a person may choose; infra/README.md explains each. */
export const CONTEXTS = [
  'stage', 'name', 'shards', 'keyArn', 'streamKeyArn', 'batchSeconds', 'stateUnits', 'requestsPerSecond', 'burst', 'scanLimitGib', 'historyLimitGib', 'replayBucket',
  'dropDays', 'dropKeyArn', 'alarmEmail', 'runbookUrl', 'quarantineToAlarm', 'architecture', 'emulator',
] as const

const STAGES = ['dev', 'prod'] as const
export type Stage = (typeof STAGES)[number]

export interface Settings {
  readonly stage: Stage
  /** Of the deployment among those of an account and region: its stack is `cdp-NAME`. The stage's unless it is said. */
  readonly name: string
  readonly architecture: Architecture
  readonly stream: StreamSettings
  readonly ingest: IngestSettings
  readonly state: StateSettings
  readonly front: FrontSettings
  readonly drops: DropBucketSettings
  readonly logs: RetentionDays
  /** What one query may read. */
  readonly scanLimitGib: number
  readonly historyLimitGib: number
  /** Encrypts every store that may hold personal data. `undefined`: each has the key that AWS has for its service. */
  readonly keyArn?: string
  readonly alarmEmail?: string
  /** Where the pages of the runbook are: in front of a page's name. */
  readonly runbook: string
  /** Refused records in 5 minutes that are worth a look. */
  readonly quarantineToAlarm: number
  /** A bucket whose lake may be replayed into this deployment. */
  readonly replayBucket?: string
  /** A hash of the secrets' text; another one restarts the functions that read it. */
  readonly secretsVersion: string
  /** Of buckets, queues and topics. The emulator is reached without TLS, and keeps a policy that refuses that. */
  readonly tlsOnly: boolean
  /** Leaves out what the emulator can't do. Each use says what, and why. */
  readonly emulator: boolean
}

export interface StreamSettings {
  /** `undefined`: on demand. */
  readonly shards?: number
  readonly retention: Duration
  /** The stream's own, or else that of all stores. */
  readonly keyArn?: string
}

export interface IngestSettings {
  /** How long a batch may wait to fill. */
  readonly batchWindow: Duration
}

export interface StateSettings {
  /** What DynamoDB may be scaled to, in units a second. `undefined`: it is paid by the request. */
  readonly most?: { readonly reads: number, readonly writes: number }
}

export interface FrontSettings {
  readonly requestsPerSecond: number
  readonly burst: number
}

export interface DropBucketSettings {
  /** How long a dropped file stays; `undefined`: until somebody removes it. */
  readonly days?: Duration
  /** The bucket's own, or else that of all stores. */
  readonly keyArn?: string
}

export function readSettings(context: Node): Settings {
  const text = (name: (typeof CONTEXTS)[number]) => context.tryGetContext(name)?.toString() as string | undefined
  const stage = oneOf('stage', text('stage') ?? 'dev', STAGES)
  const isProd = stage === 'prod'
  const shards = text('shards')
  const dropDays = text('dropDays')
  const keyArn = text('keyArn')

  const emulator = oneOf('emulator', text('emulator') ?? 'false', ['true', 'false']) === 'true'

  return {
    stage,
    name: deploymentName(text('name') ?? stage, stage),
    architecture: architecture(text('architecture') ?? process.arch),
    stream: {
      shards: shards === undefined ? (isProd ? undefined : 1) : whole('shards', shards),
      retention: isProd ? Duration.days(7) : Duration.days(1),
      keyArn: text('streamKeyArn') ?? keyArn,
    },
    // Longer is cheaper and later (`cdp cost --wait`): events of one person that share a batch are one write of State, which is
    // most of what an event costs. Within 5 s few do, so this default is a choice for the sooner.
    ingest: { batchWindow: Duration.seconds(whole('batchSeconds', text('batchSeconds') ?? '5', 300)) },
    state: { most: units('stateUnits', text('stateUnits')) },
    front: {
      requestsPerSecond: whole('requestsPerSecond', text('requestsPerSecond') ?? (isProd ? '5000' : '100')),
      burst: whole('burst', text('burst') ?? (isProd ? '5000' : '200')),
    },
    drops: {
      days: dropDays === undefined ? undefined : Duration.days(whole('dropDays', dropDays)),
      keyArn: text('dropKeyArn') ?? keyArn,
    },
    logs: isProd ? RetentionDays.THREE_MONTHS : RetentionDays.ONE_WEEK,
    scanLimitGib: whole('scanLimitGib', text('scanLimitGib') ?? (isProd ? '1000' : '10')),
    historyLimitGib: whole('historyLimitGib', text('historyLimitGib') ?? '10'),
    keyArn,
    alarmEmail: text('alarmEmail'),
    runbook: folder('runbookUrl', text('runbookUrl')) ?? 'docs/runbook/',
    quarantineToAlarm: whole('quarantineToAlarm', text('quarantineToAlarm') ?? '100'),
    replayBucket: text('replayBucket'),
    secretsVersion: (context.tryGetContext('secretsVersion') as string | undefined) ?? 'none',
    tlsOnly: !emulator,
    emulator,
  }
}

/** Short, because bucket names are made of it, and CloudFormation cuts what gets too long. */
function deploymentName(name: string, stage: Stage): string {
  if (!/^[a-z][a-z0-9-]{0,19}$/.test(name)) {
    throw new Refusal(`context name: 1 to 20 lower-case letters, digits and dashes, a letter first, not '${name}'`)
  }
  // With a stage that was forgotten on the command line, the other stage's deployment would be turned into this one.
  if (name !== stage && (STAGES as readonly string[]).includes(name)) {
    throw new Refusal(`context name: the stage ${stage} is not called as the other one, not '${name}'`)
  }
  return name
}

function architecture(name: string): Architecture {
  // Node calls it x64, where Lambda and Rust say x86_64.
  return oneOf('architecture', name === 'x64' ? 'x86_64' : name, ['arm64', 'x86_64']) === 'arm64'
    ? Architecture.ARM_64
    : Architecture.X86_64
}

function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value)
  if (found === undefined) {
    throw new Refusal(`context ${name}: ${allowed.join(' or ')}, not '${value}'`)
  }
  return found
}

function whole(name: string, value: string, most = 999_999_999): number {
  if (!/^[1-9][0-9]{0,8}$/.test(value) || Number(value) > most) {
    throw new Refusal(`context ${name}: a whole number from 1 to ${most}, not '${value}'`)
  }
  return Number(value)
}

function folder(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  if (!/^https:\/\/[^\s()]+$/.test(value)) {
    throw new Refusal(`context ${name}: the URL of a folder, such as https://example.com/docs/runbook, not '${value}'`)
  }
  return value.replace(/\/*$/, '/')
}

function units(name: string, value: string | undefined): StateSettings['most'] {
  if (value === undefined) return undefined
  const found = /^([1-9][0-9]{0,5}),([1-9][0-9]{0,5})$/.exec(value)
  if (found === null) {
    throw new Refusal(`context ${name}: reads and writes a second, such as 2000,5000, not '${value}'`)
  }
  return { reads: Number(found[1]), writes: Number(found[2]) }
}
