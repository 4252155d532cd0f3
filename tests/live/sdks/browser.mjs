// Segment's SDK for browsers, unmodified, in a real Chromium, on a page of another origin: it is told a host and a write
// key, and finds the rest by itself. Once with its default delivery, once in batches.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { chromium } from 'playwright-core'
import { report, storyOf, url, writeKey } from './story.mjs'

const sdkFile = new URL('./node_modules/@segment/analytics-next/dist/umd/index.js', import.meta.url)
const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

const shop = await servePage()
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: quiet })
try {
  await visit('segment-browser', {})
  await visit('segment-browser-batching', { strategy: 'batching', config: { size: 10, timeout: 300 } })
} finally {
  await browser.close()
  shop.close()
}

async function visit(sdk, deliveryStrategy) {
  const failures = []
  const sent = []
  const page = await (await browser.newContext()).newPage()
  page.on('console', (message) => message.type() === 'error' && failures.push(message.text()))
  page.on('pageerror', (error) => failures.push(error.message))
  page.on('requestfailed', (request) => failures.push(`${request.url()} failed: ${request.failure()?.errorText}`))
  page.on('response', (response) => {
    const request = response.request()
    if (!response.ok()) failures.push(`${request.method()} ${request.url()} answered ${response.status()}`)
    if (request.method() !== 'POST' || !request.url().startsWith(url)) return
    const body = JSON.parse(request.postData())
    sent.push(...(body.batch ?? [body]))
  })
  await page.goto(`http://127.0.0.1:${shop.address().port}/`)
  const story = storyOf(sdk)
  await page.evaluate(tellStory, { url, writeKey, deliveryStrategy, story })
  for (let waited = 0; sent.length < story.length && waited < 10_000; waited += 50) await page.waitForTimeout(50)
  if (sent.length !== story.length) failures.push(`sent ${sent.length} of ${story.length} events`)
  report(sdk, sent.length, failures)
}

/** Runs in the page. The browser SDK takes arguments in order, and keeps ids between calls. */
async function tellStory({ url, writeKey, deliveryStrategy, story }) {
  const integrations = deliveryStrategy.strategy ? { 'Segment.io': { deliveryStrategy } } : {}
  const [analytics] = await window.AnalyticsNext.AnalyticsBrowser.load({ writeKey, cdnURL: url }, { integrations })
  for (const [call, message] of story) {
    const { anonymousId, userId } = message
    if (anonymousId) analytics.setAnonymousId(anonymousId)
    const made = {
      page: () => analytics.page(undefined, message.name, message.properties),
      screen: () => analytics.screen(undefined, message.name),
      track: () => analytics.track(message.event, message.properties),
      identify: () => analytics.identify(userId, message.traits),
      group: () => analytics.group(message.groupId, message.traits),
      alias: () => analytics.alias(userId, message.previousId),
    }
    await made[call]()
  }
}

async function servePage() {
  const page = '<!doctype html><meta charset="utf-8"><title>Shop</title><link rel="icon" href="data:,"><script src="/sdk.js"></script>'
  const server = createServer((request, response) => {
    const isSdk = request.url === '/sdk.js'
    response.setHeader('content-type', isSdk ? 'text/javascript' : 'text/html')
    response.end(isSdk ? readFileSync(sdkFile) : page)
  })
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  return server
}
