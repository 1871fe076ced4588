"""The scenarios by name, in the order in which they run. The first line of each function's text is its title."""

from .cancel import cancel
from .cut import cut
from .keys import keys
from .memory import memory
from .micro import micro
from .ours import agents, children, transport
from .reload import reload
from .requests import first, rps
from .slow import slow
from .startup import startup
from .tokens import flat, one, phase, streams, tokens

ALL = {f.__name__: f for f in (one, tokens, phase, streams, memory, flat, rps, first, cancel, cut, children, transport,
                               agents, keys, slow, reload, startup, micro)}
