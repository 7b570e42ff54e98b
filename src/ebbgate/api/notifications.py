"""/notifications: channels to people, what was sent, and a test message."""

from typing import Annotated

from litestar import Router, get, post
from litestar.params import JSONBody, QueryParameter

from ebbgate.api.actors import ApiRequest, actor_of
from ebbgate.api.dependencies import After, Limit, Services
from ebbgate.core.alerts.view import ChannelView, DeliveryView, TestChannels

OfChannel = Annotated[str | None, QueryParameter(description="Of this channel only.")]


@get("/channels", sync_to_thread=True, operation_id="listChannels")
def list_channels(services: Services) -> list[ChannelView]:
    """The configured channels; never their URLs."""
    return services.notifications.channels()


@get("/", sync_to_thread=True, operation_id="listDeliveries")
def list_deliveries(
    services: Services, channel: OfChannel = None, after: After = 0, limit: Limit = 200
) -> list[DeliveryView]:
    """Messages with an id after `after`, oldest first: delivered, still tried, or given up."""
    return services.notifications.deliveries(channel=channel, after=after, limit=limit)


@post("/test", sync_to_thread=True, status_code=200, operation_id="testChannels")
def test_channels(services: Services, request: ApiRequest, data: JSONBody[TestChannels]) -> list[DeliveryView]:
    """Send a test message now; each answer says whether the channel took it."""
    services.loop.wake()
    return services.notifications.test(data.channels, actor=actor_of(request, data.reason))


notification_router = Router(
    path="/notifications", tags=["notifications"], route_handlers=[list_channels, list_deliveries, test_channels]
)
