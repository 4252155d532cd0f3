/** What a stretch gave up, for a person to look at; and the alarm that fetches that person. */
import { Duration, Validations } from 'aws-cdk-lib'
import type { Metric } from 'aws-cdk-lib/aws-cloudwatch'
import type { DlqDestinationConfig, IEventSourceDlq } from 'aws-cdk-lib/aws-lambda'
import { Queue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'

import { RunbookAlarm } from './runbook-alarm.ts'
import type { RustFunction } from './rust-function.ts'
import type { Settings } from './settings.ts'
import { StoreKey } from './store-key.ts'

export interface DeadLettersProps {
  readonly settings: Settings
  /** Of the stretch. */
  readonly name: string
  readonly meaning: string
}

export class DeadLetters extends Construct implements IEventSourceDlq {
  readonly queue: Queue
  readonly depth: Metric
  readonly alarm: RunbookAlarm
  private readonly key: StoreKey

  constructor(scope: Construct, id: string, props: DeadLettersProps) {
    super(scope, id)
    this.key = new StoreKey(this, 'Key', props.settings.keyArn)
    this.queue = new Queue(this, 'Queue', {
      ...this.key.ofQueue,
      enforceSSL: props.settings.tlsOnly,
      retentionPeriod: Duration.days(14),
    })
    Validations.of(this.queue).acknowledge({
      id: 'AwsSolutions-SQS3',
      reason: 'This is the queue of dead letters.',
    })
    this.depth = this.queue.metricApproximateNumberOfMessagesVisible({ period: Duration.minutes(1), statistic: 'Maximum' })
    this.alarm = new RunbookAlarm(this, `${props.name}-dead-letters`, {
      settings: props.settings,
      meaning: props.meaning,
      metric: this.depth,
      threshold: 1,
    })
  }

  /** As the destination of an event source mapping; its function needs `grantSend`. */
  bind(): DlqDestinationConfig {
    return { destination: this.queue.queueArn }
  }

  grantSend(sender: RustFunction): void {
    sender.may(['sqs:SendMessage'], this.queue.queueArn)
    this.key.grantWrite(sender.role)
  }
}
