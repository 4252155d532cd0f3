/** Calls a function every so often. A call that fails is not repeated: the next one does its work too. */
import type { Duration } from 'aws-cdk-lib'
import { Rule, Schedule as Every } from 'aws-cdk-lib/aws-events'
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets'
import { Construct } from 'constructs'

import type { RustFunction } from './rust-function.ts'

export interface ScheduleProps {
  readonly description: string
  readonly every: Duration
  readonly target: RustFunction
}

export class Schedule extends Construct {
  constructor(scope: Construct, id: string, props: ScheduleProps) {
    super(scope, id)
    new Rule(this, 'Rule', {
      description: props.description,
      schedule: Every.rate(props.every),
      targets: [new LambdaFunction(props.target.lambda, { retryAttempts: 0, maxEventAge: props.every })],
    })
    props.target.lambda.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: props.every })
  }
}
