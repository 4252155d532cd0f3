/** A batch of a shard: validated, stitched, landed. */
import { Duration, Stack } from 'aws-cdk-lib'
import { GraphWidget, type IWidget } from 'aws-cdk-lib/aws-cloudwatch'
import { EventSourceMapping, StartingPosition } from 'aws-cdk-lib/aws-lambda'
import { FilterPattern, MetricFilter } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'

import { DeadLetters } from './dead-letters.ts'
import type { Lake } from './lake.ts'
import { RunbookAlarm } from './runbook-alarm.ts'
import { RustFunction } from './rust-function.ts'
import type { Settings } from './settings.ts'
import type { State } from './state.ts'
import type { Stream } from './stream.ts'
import type { Stretch } from './stretch.ts'
import { Verdicts } from './verdicts.ts'

export interface IngestProps {
  readonly settings: Settings
  readonly functions: string
  readonly stream: Stream
  readonly state: State
  readonly lake: Lake
}

export class Ingest extends Construct implements Stretch {
  readonly function: RustFunction
  readonly deadLetters: DeadLetters
  readonly alarms: readonly RunbookAlarm[]
  readonly widgets: readonly IWidget[]

  /**
   * Grants exactly: consume the stream; get, query, put and check items of State; put data files into the
   * lake; send dead letters.
   */
  constructor(scope: Construct, id: string, props: IngestProps) {
    super(scope, id)
    const { settings, functions, stream, state, lake } = props
    this.function = new RustFunction(this, 'Function', {
      settings,
      functions,
      name: 'ingest',
      description: 'Validates, stitches and lands a batch of the stream',
      memoryMib: 1024,
      timeout: Duration.minutes(2),
      environment: { ...state.environment, ...lake.environment },
      errorsToAlarm: 3,
    })
    this.deadLetters = new DeadLetters(this, 'DeadLetters', {
      settings,
      name: 'ingest',
      meaning: 'Records of the stream were given up: the letter says which, and they are in the stream for a while yet.',
    })
    stream.grantConsume(this.function)
    // Nothing is deleted: a shard's checkpoint is closed by maintain.
    state.grant(this.function, 'get', 'query', 'put', 'check')
    lake.grantLand(this.function)
    this.deadLetters.grantSend(this.function)

    new EventSourceMapping(this, 'Batches', {
      target: this.function.lambda,
      eventSourceArn: stream.arn,
      startingPosition: StartingPosition.TRIM_HORIZON,
      // As many as Lambda takes: 6 MB end a batch of usual events before, at some 2,700, and the larger it is, the fewer writes
      // and files an event costs.
      batchSize: 10_000,
      maxBatchingWindow: settings.ingest.batchWindow,
      // Exactly-once rests on the order of a shard: two batches of one at a time would fence each other off.
      parallelizationFactor: 1,
      reportBatchItemFailures: true,
      // A bad record is a row of the quarantine and fails nothing. What fails is State or the lake, and half a batch fails there too.
      bisectBatchOnError: false,
      // Nothing is given up while it could still work, and what is given up can still be read from the stream for a seventh of
      // its retention.
      retryAttempts: -1,
      maxRecordAge: Duration.minutes(Math.floor(stream.retention.toMinutes() * 6 / 7)),
      onFailure: this.deadLetters,
    })

    // A batch that is answered with its first failure is no error to Lambda, so these are counted by what the function says.
    const faults = new MetricFilter(this, 'Faults', {
      logGroup: this.function.logGroup,
      filterPattern: FilterPattern.stringValue('$.level', '=', 'ERROR'),
      metricNamespace: Stack.of(this).stackName,
      metricName: 'IngestFaults',
    }).metric({ period: Duration.minutes(5), statistic: 'Sum' })
    const age = this.function.lambda.metric('IteratorAge', { period: Duration.minutes(1), statistic: 'Maximum' })
    const verdicts = new Verdicts(this, 'Verdicts', { settings, name: 'ingest', of: this.function })
    this.alarms = [
      ...this.function.alarms,
      new RunbookAlarm(this, 'ingest-faults', {
        settings,
        page: 'ingest-errors',
        meaning: 'Batches fail in part or whole, and are repeated.',
        metric: faults,
        threshold: 3,
      }),
      new RunbookAlarm(this, 'ingest-behind', {
        settings,
        meaning: 'Records wait for more than 5 minutes in the stream.',
        metric: age,
        threshold: Duration.minutes(5).toMilliseconds(),
        periods: 5,
      }),
      // A record's age is known of those that are read only. A mapping asks each shard once a second, whether it has records or not.
      new RunbookAlarm(this, 'ingest-silent', {
        settings,
        meaning: 'Nothing has been read from the stream for 15 minutes: records wait, and nobody sees how long.',
        metric: stream.reads,
        threshold: 1,
        below: true,
        periods: 3,
      }),
      verdicts.alarm,
      this.deadLetters.alarm,
    ]
    this.widgets = [
      this.function.widget,
      new GraphWidget({
        title: 'ingest: age of the oldest record, milliseconds; faults, dead letters',
        left: [age],
        right: [faults, this.deadLetters.depth],
      }),
      verdicts.widget,
    ]
  }
}
