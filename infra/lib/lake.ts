/** The tables: a bucket of Delta tables, and what Athena has to know to read them. */
import { Aws, Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib'
import { CfnWorkGroup } from 'aws-cdk-lib/aws-athena'
import { CfnDatabase, CfnTable } from 'aws-cdk-lib/aws-glue'
import { BlockPublicAccess, Bucket, type CfnBucket, type LifecycleRule, ObjectOwnership } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'

import { columnsOf, TABLES, type TableName, type ViewName, viewOf, VIEWS } from './layouts.ts'
import type { RustFunction } from './rust-function.ts'
import type { Settings } from './settings.ts'
import { StoreKey } from './store-key.ts'

/** Below a table's folder. A large file goes in parts, which are taken away again if one of them fails. */
const DATA = '*/date=*'
const LOG = '*/_delta_log/*'
const PUT = ['s3:PutObject', 's3:AbortMultipartUpload']
/** In their bucket. */
const ANSWERS = 'athena/'

export class Lake extends Construct {
  readonly bucket: Bucket
  /** Of Athena: what was asked, for a week. */
  readonly answers: Bucket
  readonly database: CfnDatabase
  /** Analysts' queries. */
  readonly workgroup: CfnWorkGroup
  /** A person's events. Applications ask for them, and nobody looks at the bill while they do. */
  readonly historyWorkgroup: CfnWorkGroup
  private readonly settings: Settings
  private readonly key: StoreKey

  constructor(scope: Construct, id: string, props: { settings: Settings }) {
    super(scope, id)
    this.settings = props.settings
    this.key = new StoreKey(this, 'Key', props.settings.keyArn)
    const isProd = props.settings.stage === 'prod'

    // Not versioned: a Delta table keeps its own history, and the sweep's deletions must free what they delete. Versions would
    // keep every file that compaction replaced, and leave delete markers in the one folder that is listed all the time.
    this.bucket = this.bucketOf('Tables', isProd ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY, [
      { abortIncompleteMultipartUploadAfter: Duration.days(1) },
    ])
    this.answers = this.bucketOf('Answers', RemovalPolicy.DESTROY, [
      { expiration: Duration.days(7), abortIncompleteMultipartUploadAfter: Duration.days(1) },
    ])

    this.database = new CfnDatabase(this, 'Database', {
      catalogId: Aws.ACCOUNT_ID,
      databaseInput: { name: this.databaseName, description: 'Events, people and what was refused' },
    })
    for (const table of TABLES) this.tableOf(table)
    for (const view of VIEWS) this.viewOf(view)

    const { name, scanLimitGib, historyLimitGib } = props.settings
    this.workgroup = this.workgroupOf('Workgroup', `cdp-${name}`, 'Queries over the lake', scanLimitGib)
    this.historyWorkgroup = this.workgroupOf('HistoryWorkgroup', `cdp-${name}-history`, 'Pages of a person\'s events', historyLimitGib)
  }

  get environment(): Record<string, string> {
    return { CDP_LAKE: `s3://${this.bucket.bucketName}` }
  }

  /** For whoever asks for a person's events. */
  get historyEnvironment(): Record<string, string> {
    return { CDP_WORKGROUP: this.historyWorkgroup.name, CDP_DATABASE: this.databaseName }
  }

  /** Files that no table names yet. Which it names, is said in its log: whoever only lands can't write there. */
  grantLand(worker: RustFunction): void {
    this.grantObjects(worker, PUT, DATA)
    this.key.grantWrite(worker.role)
  }

  /** What a table names: its commits and checkpoints. */
  grantLog(committer: RustFunction): void {
    this.grantObjects(committer, PUT, LOG)
    this.key.grantWrite(committer.role)
  }

  grantRead(reader: RustFunction): void {
    reader.may(['s3:ListBucket'], this.bucket.bucketArn)
    this.grantObjects(reader, ['s3:GetObject'], '*')
    this.key.grantRead(reader.role)
  }

  grantDelete(sweeper: RustFunction): void {
    this.grantObjects(sweeper, ['s3:DeleteObject'], '*')
  }

  /** Statements over `events`. Athena reads catalog and files, and writes answers, as whoever asks it. */
  grantHistory(asker: RustFunction): void {
    const table: TableName = 'events'
    asker.may(
      ['athena:StartQueryExecution', 'athena:GetQueryExecution', 'athena:GetQueryResults', 'athena:StopQueryExecution'],
      arnOf('athena', `workgroup/${this.historyWorkgroup.name}`),
    )
    asker.may(
      ['glue:GetDatabase', 'glue:GetTable', 'glue:GetPartitions'],
      arnOf('glue', 'catalog'),
      arnOf('glue', `database/${this.databaseName}`),
      arnOf('glue', `table/${this.databaseName}/${table}`),
    )
    asker.may(['s3:ListBucket', 's3:GetBucketLocation'], this.bucket.bucketArn, this.answers.bucketArn)
    this.grantObjects(asker, ['s3:GetObject'], `${table}/*`)
    this.grantAnswers(asker)
    // What encrypts the tables encrypts the answers.
    this.key.grantWrite(asker.role)
  }

  private get databaseName(): string {
    // Athena would want a name with dashes in quotes.
    return `cdp_${this.settings.name.replaceAll('-', '_')}`
  }

  private grantObjects(worker: RustFunction, actions: string[], objects: string): void {
    worker.may(actions, this.bucket.arnForObjects(objects))
    this.acknowledge(worker, this.bucket, objects, 'The names of a table\'s files are not known beforehand; the bucket holds nothing but tables.')
  }

  private grantAnswers(asker: RustFunction): void {
    const objects = `${ANSWERS}*`
    asker.may(
      ['s3:GetObject', 's3:PutObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts'],
      this.answers.arnForObjects(objects),
    )
    this.acknowledge(asker, this.answers, objects, 'Athena names an answer by its statement, which is not known beforehand.')
  }

  private acknowledge(worker: RustFunction, bucket: Bucket, objects: string, reason: string): void {
    const id = Stack.of(this).getLogicalId(bucket.node.defaultChild as CfnBucket)
    Validations.of(worker.role).acknowledge({ id: `AwsSolutions-IAM5[Resource::<${id}.Arn>/${objects}]`, reason })
  }

  private workgroupOf(id: string, name: string, description: string, limitGib: number): CfnWorkGroup {
    const { key } = this.key
    return new CfnWorkGroup(this, id, {
      name,
      description: `${description}, each with a limit of what it may read`,
      recursiveDeleteOption: true,
      workGroupConfiguration: {
        enforceWorkGroupConfiguration: true,
        publishCloudWatchMetricsEnabled: true,
        engineVersion: { selectedEngineVersion: 'Athena engine version 3' },
        bytesScannedCutoffPerQuery: limitGib * 1024 ** 3,
        resultConfiguration: {
          outputLocation: this.answers.s3UrlForObject(ANSWERS),
          encryptionConfiguration: key === undefined
            ? { encryptionOption: 'SSE_S3' }
            : { encryptionOption: 'SSE_KMS', kmsKey: key.keyArn },
        },
      },
    })
  }

  private bucketOf(id: string, removalPolicy: RemovalPolicy, lifecycleRules: LifecycleRule[]): Bucket {
    const bucket = new Bucket(this, id, {
      ...this.key.ofBucket,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: this.settings.tlsOnly,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      lifecycleRules,
      removalPolicy,
    })
    Validations.of(bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason: 'An access log would be one more object for each read of a table. CloudTrail\'s data events tell the same.',
    })
    return bucket
  }

  private tableOf(name: TableName): void {
    const location = this.bucket.s3UrlForObject(`${name}/`)
    new CfnTable(this, name, {
      catalogId: Aws.ACCOUNT_ID,
      databaseName: this.database.ref,
      tableInput: {
        name,
        tableType: 'EXTERNAL_TABLE',
        // The first for Athena, the second for Spark. Both read columns, files and partitions from the table's log.
        parameters: { EXTERNAL: 'TRUE', table_type: 'DELTA', 'spark.sql.sources.provider': 'delta' },
        storageDescriptor: {
          location,
          columns: columnsOf(name).map(({ name, type, comment }) => ({ name, type, comment })),
          inputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat',
          outputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat',
          serdeInfo: {
            serializationLibrary: 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe',
            parameters: { path: location },
          },
        },
      },
    })
  }

  /** As Athena itself keeps a view. Made here, so that it is there before the first commit, when Athena could not make it. */
  private viewOf(name: ViewName): void {
    const { sql, columns } = viewOf(name)
    const definition = {
      originalSql: sql,
      catalog: 'awsdatacatalog',
      schema: this.databaseName,
      columns: columns.map(({ name, sqlType }) => ({ name, type: sqlType })),
    }
    new CfnTable(this, name, {
      catalogId: Aws.ACCOUNT_ID,
      databaseName: this.database.ref,
      tableInput: {
        name,
        tableType: 'VIRTUAL_VIEW',
        parameters: { presto_view: 'true', comment: 'Presto View' },
        viewOriginalText: `/* Presto View: ${Buffer.from(JSON.stringify(definition)).toString('base64')} */`,
        viewExpandedText: '/* Presto View */',
        storageDescriptor: {
          location: '',
          columns: columns.map(({ name, type, comment }) => ({ name, type, comment })),
          serdeInfo: {},
        },
      },
    })
  }
}

function arnOf(service: string, resource: string): string {
  return `arn:${Aws.PARTITION}:${service}:${Aws.REGION}:${Aws.ACCOUNT_ID}:${resource}`
}
