/** One person at a time, for applications. */
import { Duration } from 'aws-cdk-lib'
import { Construct } from 'constructs'

import type { Front } from './front.ts'
import type { Lake } from './lake.ts'
import { RustFunction } from './rust-function.ts'
import type { Secrets } from './secrets.ts'
import type { Settings } from './settings.ts'
import type { State } from './state.ts'
import type { Stretch } from './stretch.ts'

/** Greedy, because the API decodes a path before it matches: the value of an identifier may hold a slash. */
const CALLS = [
  'GET /v1/profiles/{name+}',
  'GET /v1/spaces/{asked+}',
  'GET /v1/openapi.json',
]

export interface ProfilesProps {
  readonly settings: Settings
  readonly functions: string
  readonly front: Front
  readonly state: State
  readonly lake: Lake
  readonly secrets: Secrets
}

export class Profiles extends Construct implements Stretch {
  readonly function: RustFunction

  /** Grants exactly: get items of State; ask the table `events` by Athena; read the secrets. */
  constructor(scope: Construct, id: string, props: ProfilesProps) {
    super(scope, id)
    const { settings, functions, front, state, lake, secrets } = props
    this.function = new RustFunction(this, 'Function', {
      settings,
      functions,
      name: 'profiles',
      description: 'Answers who a person is',
      memoryMib: 256,
      // API Gateway waits for 30.
      timeout: Duration.seconds(29),
      environment: { ...state.environment, ...lake.historyEnvironment, ...secrets.environment },
      errorsToAlarm: 5,
    })
    state.grant(this.function, 'get')
    lake.grantHistory(this.function)
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
