/** Where the shell's credentials lead, and what stands there. */
import { CloudFormationClient, DescribeStacksCommand, type Stack } from '@aws-sdk/client-cloudformation'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'

export const formation = new CloudFormationClient({})

/** As a person would check it before something is changed there. */
export async function place(): Promise<string> {
  const region = await formation.config.region().catch(() => undefined)
  if (region === undefined) throw new Error('no region: set AWS_REGION, or a profile that has one (AWS_PROFILE)')
  const { Account } = await new STSClient({}).send(new GetCallerIdentityCommand({}))
  return `account ${Account}, region ${region}`
}

/** `undefined`: there is no such stack. */
export async function stackOf(name: string): Promise<Stack | undefined> {
  try {
    const { Stacks } = await formation.send(new DescribeStacksCommand({ StackName: name }))
    return Stacks?.[0]
  } catch (fault) {
    if (fault instanceof Error && fault.message.includes('does not exist')) return undefined
    throw fault
  }
}
