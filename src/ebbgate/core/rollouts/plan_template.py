"""What `ebbgate init` writes: a short plan that lints clean, and snippets that ask for the flag and send events."""

from string import Template

_PLAN = Template("""\
# How $flag of $app is rolled out. Every key: docs/guides/plan-file.md
# Look before it runs:  ebbgate plan lint | show | power
app: $app
flag: $flag                       # from `off`, the old version, to `on`, the new one
commander: $commander             # owns reviews, and is paged
users: 20000                      # active users in a day: put yours here, and ask `ebbgate plan power`

phases:                           # younger than the first duration it never advances; older than the second, it asks
  - {name: early, to: 10%, who: random, stay: 1d..3d, why: catch what staging missed}
  - {name: broad, to: 50%, who: random, stay: 2d..5d, why: more load and more kinds of use}
  - {name: full, to: 100%, who: everyone, watch: 14d}

guardrails:                       # harm takes it back; each must be proven inside `worse_by` before a phase is left
  errors:
    rate: api_error / api_request # events that your application sends
    baseline: 1%                  # the old version's value: put yours here
    worse_by: 1.5pp
    critical: "> 10% for 5m"
  api_time:
    p95: api_ms                   # `_ms`: in milliseconds
    worse_by: 25%
    limit: < 1s

goals:                            # reported all the way, decided at the end; they never hold a phase
  clicks: {ratio: widget_click / widget_view, goal: +10%}

when:
  harm: rollback
  off_target: review in 4h, then pause
  too_long: review
""")

_PYTHON = Template('''\
"""pip install "ebbgate[openfeature]"; set EBBGATE_URL=$url and EBBGATE_TOKEN (a server token)."""

import ebbgate
from ebbgate.sdk.openfeature import EbbgateProvider
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

# Waits for the first flags, and raises if none come. `set_provider` does neither: the first calls get your default.
api.set_provider_and_wait(EbbgateProvider(ebbgate.Client()))
flags = api.get_client()


def handle(user_id: str, email: str) -> None:
    user = EvaluationContext(targeting_key=user_id, attributes={"email": email})
    is_new = flags.get_boolean_value("$flag", False, user)  # in memory: never waits, never raises
    print("new version" if is_new else "old version")
    flags.track("api_request", user)
    flags.track("api_ms", user, TrackingEventDetails(value=123.0))


handle("user-1", "somebody@example.com")
api.shutdown()  # sends what is still buffered
''')

_NODE = Template("""\
// npm install @openfeature/server-sdk @openfeature/ofrep-provider; set EBBGATE_URL and EBBGATE_TOKEN (a client token)
import { randomUUID } from 'node:crypto'
import { OpenFeature } from '@openfeature/server-sdk'
import { OFREPProvider } from '@openfeature/ofrep-provider'

const url = process.env.EBBGATE_URL ?? '$url'
const authorization = `Bearer $${process.env.EBBGATE_TOKEN}`

await OpenFeature.setProviderAndWait(
  new OFREPProvider({ baseUrl: url, headers: [['Authorization', authorization]] }),
)
const flags = OpenFeature.getClient()

// The server records the exposure. Send what happens afterwards; a retry with the same id counts once.
async function track(unit, name, value) {
  const now = new Date().toISOString()
  const event = { type: 'event', id: randomUUID(), unit, name, value, occurred_at: now, sent_at: now }
  await fetch(`$${url}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization },
    body: JSON.stringify([event]),
  })
}

const user = { targetingKey: 'user-1', email: 'somebody@example.com' }
const isNew = await flags.getBooleanValue('$flag', false, user)
console.log(isNew ? 'new version' : 'old version')
await track(user.targetingKey, 'api_request')
await track(user.targetingKey, 'api_ms', 123)
""")

EDGE_URL = "http://127.0.0.1:8120"
"""Where the edge listens by default."""


def init_template(app: str, flag: str, *, commander: str = "on-call") -> str:
    """A plan file's text. app, flag: names as a plan takes them; the caller has checked them."""
    return _PLAN.substitute(app=app, flag=flag, commander=commander)


def python_snippet(flag: str, *, url: str = EDGE_URL) -> str:
    """A whole Python program: in-process evaluation over OpenFeature, with exposures and events."""
    return _PYTHON.substitute(flag=flag, url=url)


def node_snippet(flag: str, *, url: str = EDGE_URL) -> str:
    """A whole ES module for Node: evaluation over OFREP, events over HTTP."""
    return _NODE.substitute(flag=flag, url=url)
