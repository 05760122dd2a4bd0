"""Which kind of channel an address is of."""

from __future__ import annotations

from driftline_processor.config.channel_addresses import OpsgenieAddress, PagerDutyAddress, SlackAddress, read_address
from driftline_processor.config.channels import Channel as ChannelKeys
from driftline_processor.policy.channel import Channel
from driftline_processor.policy.sources import MakeReport

from .opsgenie import Opsgenie
from .pagerduty import PagerDuty
from .slack import Slack
from .webhook import Webhook


def open_channel(keys: ChannelKeys, report: MakeReport | None = None) -> Channel:
    """Return the channel of an address: one that Driftline speaks to itself, else a service of Apprise.

    Args:
        keys: Of the channel.
        report: Writes the report that messages bring along, where the keys ask for that.
    """
    url = keys.url.get_secret_value()
    if url.startswith(("http://", "https://")):
        return Webhook(url)
    match read_address(url, keys.endpoint):
        case PagerDutyAddress() as address:
            return PagerDuty(address)
        case OpsgenieAddress() as address:
            return Opsgenie(address)
        case SlackAddress() as address:
            return Slack(address)
    from .apprise_service import AppriseService  # half a second, for those alone who have such an address

    return AppriseService(url, report if keys.attach else None)
