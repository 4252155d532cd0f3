// Segment's and RudderStack's SDKs for Node, unmodified.
import RudderAnalytics from '@rudderstack/rudder-sdk-node'
import { Analytics as SegmentAnalytics } from '@segment/analytics-node'
import { report, storyOf, url, writeKey } from './story.mjs'

await segment()
await rudder()

async function segment() {
  const sdk = 'segment-node'
  const failures = []
  const analytics = new SegmentAnalytics({ host: url, writeKey, flushInterval: 200 })
  analytics.on('error', (error) => failures.push(error.reason?.message ?? error.code))
  analytics.on('http_response', ({ status }) => status === 200 || failures.push(`answered ${status}`))
  const story = storyOf(sdk)
  const delivered = story.map(([call, message]) => new Promise((done) => analytics[call](message, done)))
  await analytics.closeAndFlush()
  for (const error of await Promise.all(delivered)) if (error) failures.push(error.message ?? error)
  report(sdk, story.length, failures)
}

async function rudder() {
  const sdk = 'rudder-node'
  const failures = []
  const analytics = new RudderAnalytics(writeKey, {
    dataPlaneUrl: url,
    logLevel: 'error',
    retryCount: 0,
    errorHandler: (error) => failures.push(error.message),
  })
  const story = storyOf(sdk)
  const delivered = story.map(([call, message]) => new Promise((done) => analytics[call](message, done)))
  await analytics.flush()
  for (const error of await Promise.all(delivered)) if (error) failures.push(error.message ?? error)
  report(sdk, story.length, failures)
}
