/** What ingest put into the outbox becomes part of the tables. */
import { Duration } from 'aws-cdk-lib'
import { GraphWidget, type IWidget } from 'aws-cdk-lib/aws-cloudwatch'
import { EventSourceMapping, FilterCriteria, FilterRule, StartingPosition } from 'aws-cdk-lib/aws-lambda'
import { Construct } from 'constructs'

import type { Lake } from './lake.ts'
import { RunbookAlarm } from './runbook-alarm.ts'
import { RustFunction } from './rust-function.ts'
import { Schedule } from './schedule.ts'
import type { Settings } from './settings.ts'
import type { State } from './state.ts'
import type { Stretch } from './stretch.ts'

export interface CommitProps {
  readonly settings: Settings
  readonly functions: string
  readonly state: State
  readonly lake: Lake
  /** How long entries of the outbox gather into one commit; 5 s unless it is said. */
  readonly batchWindow?: Duration
}

export class Commit extends Construct implements Stretch {
  readonly function: RustFunction
  readonly alarms: readonly RunbookAlarm[]
  readonly widgets: readonly IWidget[]

  /**
   * Grants exactly: consume State's stream; get, query, put and delete items of State; list and read files of the lake, and put
   * those of its tables' logs.
   */
  constructor(scope: Construct, id: string, props: CommitProps) {
    super(scope, id)
    const { settings, functions, state, lake } = props
    this.function = new RustFunction(this, 'Function', {
      settings,
      functions,
      name: 'commit',
      description: 'Commits landed files to the Delta tables',
      memoryMib: 1024,
      timeout: Duration.minutes(2),
      environment: { ...state.environment, ...lake.environment },
      errorsToAlarm: 3,
    })
    state.grantConsume(this.function)
    state.grant(this.function, 'get', 'query', 'put', 'delete')
    lake.grantRead(this.function)
    lake.grantLog(this.function)

    // Only wakes: which entries there are, the function reads in State. So a wake-up that fails is not kept, and one shard's
    // wake-ups may run beside another's.
    new EventSourceMapping(this, 'Outbox', {
      target: this.function.lambda,
      eventSourceArn: state.table.tableStreamArn!,
      startingPosition: StartingPosition.LATEST,
      filters: [
        FilterCriteria.filter({
          eventName: FilterRule.isEqual('INSERT'),
          dynamodb: { Keys: { partition: { S: FilterRule.beginsWith('outbox/') } } },
        }),
      ],
      batchSize: 1000,
      maxBatchingWindow: props.batchWindow ?? Duration.seconds(5),
      retryAttempts: 1,
      maxRecordAge: Duration.minutes(1),
    })
    new Schedule(this, 'Net', {
      description: 'Commits what a lost wake-up left in the outbox',
      every: Duration.minutes(1),
      target: this.function,
    })

    const lag = this.function.counted('CommitLagSeconds', { period: Duration.minutes(5), statistic: 'Maximum' })
    this.alarms = [
      ...this.function.alarms,
      new RunbookAlarm(this, 'commit-silent', {
        settings,
        meaning: 'No commit has run for 10 minutes: what is landed does not reach the tables.',
        metric: this.function.lambda.metricInvocations({ period: Duration.minutes(10) }),
        threshold: 1,
        below: true,
      }),
      new RunbookAlarm(this, 'commit-behind', {
        settings,
        meaning: 'For 15 minutes, what is committed was landed more than 5 minutes before.',
        metric: lag,
        threshold: Duration.minutes(5).toSeconds(),
        periods: 3,
      }),
    ]
    this.widgets = [
      this.function.widget,
      new GraphWidget({ title: 'commit: from landed to committed, seconds', left: [lag] }),
    ]
  }
}
