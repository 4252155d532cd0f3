/**
 * What encrypts a store: the customer's key, or, without one, a key that AWS has for the store's service.
 *
 * Grants are for roles. The key's own policy has to let the account's roles have them, and services that use it for themselves:
 * README, "Keys".
 */
import type { Role } from 'aws-cdk-lib/aws-iam'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { type IKey, Key } from 'aws-cdk-lib/aws-kms'
import { BucketEncryption, type BucketProps } from 'aws-cdk-lib/aws-s3'
import { QueueEncryption, type QueueProps } from 'aws-cdk-lib/aws-sqs'
import type { Construct } from 'constructs'

export class StoreKey {
  /** `undefined`: the one that AWS has. */
  readonly key?: IKey

  constructor(scope: Construct, id: string, keyArn: string | undefined) {
    this.key = keyArn === undefined ? undefined : Key.fromKeyArn(scope, id, keyArn)
  }

  get ofBucket(): Pick<BucketProps, 'encryption' | 'encryptionKey' | 'bucketKeyEnabled'> {
    return this.key === undefined
      ? { encryption: BucketEncryption.S3_MANAGED }
      : { encryption: BucketEncryption.KMS, encryptionKey: this.key, bucketKeyEnabled: true }
  }

  get ofQueue(): Pick<QueueProps, 'encryption' | 'encryptionMasterKey'> {
    return this.key === undefined
      ? { encryption: QueueEncryption.SQS_MANAGED }
      : { encryption: QueueEncryption.KMS, encryptionMasterKey: this.key }
  }

  /** To read what is in the store. For a table also to write: DynamoDB makes its data keys itself, and opens them as the caller. */
  grantRead(role: Role): void {
    this.grant(role, 'kms:Decrypt')
  }

  /** To put records into a stream, which is all that takes no more. */
  grantAppend(role: Role): void {
    this.grant(role, 'kms:GenerateDataKey')
  }

  /** To put objects or send messages: S3 opens the parts of a large object again, and SQS a key that it has used before. */
  grantWrite(role: Role): void {
    this.grant(role, 'kms:GenerateDataKey', 'kms:Decrypt')
  }

  private grant(role: Role, ...actions: string[]): void {
    if (this.key !== undefined) role.addToPolicy(new PolicyStatement({ actions, resources: [this.key.keyArn] }))
  }
}
