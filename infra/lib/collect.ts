/** Segment's tracking API and webhooks: calls come in, events go to the stream. */
import { Duration } from 'aws-cdk-lib'
import { Construct } from 'constructs'

import type { Front } from './front.ts'
import { RustFunction } from './rust-function.ts'
import type { Secrets } from './secrets.ts'
import type { Settings } from './settings.ts'
import type { Stream } from './stream.ts'
import type { Stretch } from './stretch.ts'

/** Which calls there are is known to the function: a new one needs no new route. Preflights go there too. */
const CALLS = [
  'POST /v1/{call}',
  'OPTIONS /v1/{call}',
  'POST /v1/webhooks/{source}',
  'GET /v1/projects/{write_key}/settings',
  'OPTIONS /v1/projects/{write_key}/settings',
]

export interface CollectProps {
  readonly settings: Settings
  readonly functions: string
  readonly front: Front
  readonly stream: Stream
  readonly secrets: Secrets
}

export class Collect extends Construct implements Stretch {
  readonly function: RustFunction

  /** Grants exactly: put records into the stream; read the secrets. */
  constructor(scope: Construct, id: string, props: CollectProps) {
    super(scope, id)
    const { settings, functions, front, stream, secrets } = props
    this.function = new RustFunction(this, 'Function', {
      settings,
      functions,
      name: 'collect',
      description: 'Puts events of SDKs and webhooks into the stream',
      memoryMib: 256,
      // The API waits 30 s at most; an SDK gives up before that.
      timeout: Duration.seconds(20),
      environment: { ...stream.environment, ...secrets.environment },
      errorsToAlarm: 5,
    })
    stream.grantWrite(this.function)
    secrets.grantRead(this.function)
    front.route(this.function, CALLS)
  }

  get alarms() {
    return this.function.alarms
  }

  get widgets() {
    return [this.function.widget]
  }
}
