/** What each stretch of the road shows to `Watch`. */
import type { IWidget } from 'aws-cdk-lib/aws-cloudwatch'

import type { RunbookAlarm } from './runbook-alarm.ts'

export interface Stretch {
  readonly alarms: readonly RunbookAlarm[]
  readonly widgets: readonly IWidget[]
}
