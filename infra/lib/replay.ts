/** Rows of a table, again: refused records, or the events of another deployment's lake, as a job in the queue says. */
import { Duration, Size, Validations } from 'aws-cdk-lib'
import { EventSourceMapping } from 'aws-cdk-lib/aws-lambda'
import { Bucket } from 'aws-cdk-lib/aws-s3'
import { Queue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'

import { DeadLetters } from './dead-letters.ts'
import type { Lake } from './lake.ts'
import type { RunbookAlarm } from './runbook-alarm.ts'
import { RustFunction } from './rust-function.ts'
import type { Settings } from './settings.ts'
import type { State } from './state.ts'
import { StoreKey } from './store-key.ts'
import type { Stream } from './stream.ts'
import type { Stretch } from './stretch.ts'

export interface ReplayProps {
  readonly settings: Settings
  readonly functions: string
  readonly stream: Stream
  readonly state: State
  readonly lake: Lake
}

export class Replay extends Construct implements Stretch {
  readonly function: RustFunction
  readonly queue: Queue
  readonly deadLetters: DeadLetters
  readonly alarms: readonly RunbookAlarm[]

  /**
   * Grants exactly: consume its queue, and send to it what is left of a job; list and read files of the lake, and of the one
   * that the context names; get, put and delete items of State; put records into the stream; send dead letters.
   */
  constructor(scope: Construct, id: string, props: ReplayProps) {
    super(scope, id)
    const { settings, functions, stream, state, lake } = props
    const timeout = Duration.minutes(5)
    const key = new StoreKey(this, 'Key', settings.keyArn)
    this.deadLetters = new DeadLetters(this, 'DeadLetters', {
      settings,
      name: 'replay',
      meaning: 'A replay was given up: the letter is its job, and the log says why.',
    })
    this.queue = new Queue(this, 'Jobs', {
      ...key.ofQueue,
      enforceSSL: settings.tlsOnly,
      // A job that is at work is not given to another worker, even if Lambda has to try some times to find room for it.
      visibilityTimeout: Duration.minutes(6 * timeout.toMinutes()),
      retentionPeriod: Duration.days(14),
      deadLetterQueue: { queue: this.deadLetters.queue, maxReceiveCount: 3 },
    })
    this.function = new RustFunction(this, 'Function', {
      settings,
      functions,
      name: 'replay',
      description: 'Sends rows of a table through the stream again',
      memoryMib: 2048,
      timeout,
      environment: {
        ...stream.environment,
        ...state.environment,
        ...lake.environment,
        CDP_QUEUE: this.queue.queueUrl,
        CDP_DEAD_LETTERS: this.deadLetters.queue.queueUrl,
      },
      errorsToAlarm: 1,
      // Copies of the files in hand: eight, of 128 MiB at most.
      storage: Size.mebibytes(2048),
      wakesItself: true,
    })
    stream.grantWrite(this.function)
    // A mark is put for each row that goes, and deleted if the stream did not take it.
    state.grant(this.function, 'get', 'put', 'delete')
    lake.grantRead(this.function)
    this.deadLetters.grantSend(this.function)
    this.function.may(
      ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:SendMessage'],
      this.queue.queueArn,
    )
    key.grantWrite(this.function.role)
    if (settings.replayBucket !== undefined) this.mayRead(settings.replayBucket)

    new EventSourceMapping(this, 'Asked', {
      target: this.function.lambda,
      eventSourceArn: this.queue.queueArn,
      batchSize: 1,
      // The fewest that Lambda has. Two jobs side by side do each other no harm; many would crowd out the producers.
      maxConcurrency: 2,
    })
    this.alarms = [...this.function.alarms, this.deadLetters.alarm]
  }

  get widgets() {
    return [this.function.widget]
  }

  private mayRead(bucket: string): void {
    const other = Bucket.fromBucketName(this, 'Other', bucket)
    this.function.may(['s3:ListBucket'], other.bucketArn)
    this.function.may(['s3:GetObject'], other.arnForObjects('*'))
    Validations.of(this.function.role).acknowledge({
      id: `AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:s3:::${bucket}/*]`,
      reason: 'The names of a table\'s files are not known beforehand.',
    })
  }
}
