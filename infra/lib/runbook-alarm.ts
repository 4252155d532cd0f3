/** An alarm whose description names the page that says what to do, by its URL if the deployment has said where its pages are. */
import { Alarm, ComparisonOperator, type IMetric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import { Construct } from 'constructs'

import type { Settings } from './settings.ts'

export interface RunbookAlarmProps {
  readonly settings: Settings
  /** Of the runbook; the alarm's title unless it is said. */
  readonly page?: string
  /** What it means, in one sentence. */
  readonly meaning: string
  readonly metric: IMetric
  /** It rings at this value or above; or below it, and where there is no value, if `below` says so. */
  readonly threshold: number
  readonly below?: boolean
  /** In so many periods of the metric, one after the other; 1 unless it is said. */
  readonly periods?: number
}

export class RunbookAlarm extends Construct {
  readonly alarm: Alarm
  /** Its name, without `.md`. */
  readonly page: string

  constructor(scope: Construct, title: string, props: RunbookAlarmProps) {
    super(scope, title)
    this.page = props.page ?? title
    this.alarm = new Alarm(this, 'Alarm', {
      metric: props.metric,
      threshold: props.threshold,
      evaluationPeriods: props.periods ?? 1,
      ...(props.below === true
        ? { comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD, treatMissingData: TreatMissingData.BREACHING }
        // A stretch without traffic has no data, and is well.
        : { comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD, treatMissingData: TreatMissingData.NOT_BREACHING }),
      alarmDescription: `${props.meaning} What to do: ${props.settings.runbook}${this.page}.md`,
    })
  }
}
