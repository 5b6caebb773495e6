"""Each mechanism alone: its protocol, its curve, its closed form.

    print(nd.isolate(nd.STDP("burst")))
    nd.isolate(nd.SpineSize(tau=5 * day)).plot()

A protocol runs the mechanism's own code (its phases on a synapse table, its hooks over given spike trains, or a
network of two neurons) and lays the closed form or the experiment beside it.  Writing one is one function::

    @protocol(MyMechanism)
    def my_protocol(mechanism: MyMechanism) -> Protocol: ...
"""

from neurodev.protocols.registry import isolate, protocol, protocol_of
from neurodev.protocols.result import Curve, Panel, Protocol

__all__ = ["Curve", "Panel", "Protocol", "isolate", "protocol", "protocol_of"]
