"""Protocols of labelled items, under the names that `conf/` and checkpoints give them."""

from metamann.episodes.items.episode_protocol import EpisodeProtocol
from metamann.episodes.items.nway_kshot import NWayKShot
from metamann.episodes.items.online_stream import OnlineStream
from metamann.episodes.label_codes import LabelCodes

__all__ = ["EpisodeProtocol", "LabelCodes", "NWayKShot", "OnlineStream"]
