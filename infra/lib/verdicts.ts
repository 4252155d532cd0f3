/** What became of the records that a function has taken in: the alarm for those that were refused, and a graph of all. */
import { Duration } from 'aws-cdk-lib'
import { GraphWidget } from 'aws-cdk-lib/aws-cloudwatch'
import { Construct } from 'constructs'

import { RunbookAlarm } from './runbook-alarm.ts'
import type { RustFunction } from './rust-function.ts'
import type { Settings } from './settings.ts'

export interface VerdictsProps {
  readonly settings: Settings
  /** Of the stretch. */
  readonly name: string
  readonly of: RustFunction
}

export class Verdicts extends Construct {
  readonly alarm: RunbookAlarm
  readonly widget: GraphWidget

  constructor(scope: Construct, id: string, props: VerdictsProps) {
    super(scope, id)
    const { settings, name } = props
    const counted = (verdict: string) => props.of.counted(`Events${verdict}`, { period: Duration.minutes(5), statistic: 'Sum' })
    const quarantined = counted('Quarantined')
    // A number, and no share of what came: a producer that breaks is as bad beside many others that are well.
    this.alarm = new RunbookAlarm(this, 'quarantine-rate', {
      settings,
      meaning: `${name} refuses ${settings.quarantineToAlarm} records or more in 5 minutes.`,
      metric: quarantined,
      threshold: settings.quarantineToAlarm,
    })
    this.widget = new GraphWidget({
      title: `${name}: records accepted, duplicate; refused`,
      left: [counted('Accepted'), counted('Duplicate')],
      right: [quarantined],
    })
  }
}
