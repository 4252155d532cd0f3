/** Compacts small files, and removes what nobody names any more. */
import { Duration } from 'aws-cdk-lib'
import { Construct } from 'constructs'

import type { Lake } from './lake.ts'
import { RustFunction } from './rust-function.ts'
import { Schedule } from './schedule.ts'
import type { Settings } from './settings.ts'
import type { State } from './state.ts'
import type { Stream } from './stream.ts'
import type { Stretch } from './stretch.ts'

export interface MaintainProps {
  readonly settings: Settings
  readonly functions: string
  readonly stream: Stream
  readonly state: State
  readonly lake: Lake
}

export class Maintain extends Construct implements Stretch {
  readonly function: RustFunction

  /**
   * Grants exactly: list the stream's shards; get, query, put and delete items of State; list and read files of the lake, put
   * data files and those of the logs, and delete both.
   */
  constructor(scope: Construct, id: string, props: MaintainProps) {
    super(scope, id)
    const { settings, functions, stream, state, lake } = props
    this.function = new RustFunction(this, 'Function', {
      settings,
      functions,
      name: 'maintain',
      description: 'Compacts the tables and sweeps what nobody names',
      memoryMib: 2048,
      timeout: Duration.minutes(14),
      environment: { ...stream.environment, ...state.environment, ...lake.environment },
      errorsToAlarm: 1,
    })
    stream.grantListShards(this.function)
    state.grant(this.function, 'get', 'query', 'put', 'delete')
    lake.grantRead(this.function)
    lake.grantLand(this.function)
    lake.grantLog(this.function)
    lake.grantDelete(this.function)
    new Schedule(this, 'Round', {
      description: 'Keeps the tables small in files',
      every: Duration.minutes(15),
      target: this.function,
    })
  }

  get alarms() {
    return this.function.alarms
  }

  get widgets() {
    return [this.function.widget]
  }
}
