"""Which kind of channel an address is of."""

from __future__ import annotations

from .channel import Channel
from .webhook import Webhook


def open_channel(url: str) -> Channel:
    """Return the channel of an address: a webhook of ``http://`` and ``https://``, else a service of Apprise."""
    if url.startswith(("http://", "https://")):
        return Webhook(url)
    from .apprise_service import AppriseService  # half a second, for those alone who have such an address

    return AppriseService(url)
