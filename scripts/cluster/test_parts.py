"""The parts of the nodes of our own, by themselves: a drill is worth what its kubelet is."""

import types
import unittest

from callers import bearer
from network import Backends, Relays
from pace import Pace
from probe import Probe


class FakePod:
    """A pod whose commands go as they are told to."""

    def __init__(self, *results):
        self.results = list(results)

    def execute(self, _command, _timeout):
        return self.results.pop(0)


def opinions(spec, passed, *results):
    """What a probe says after each time that it asked."""
    probe = Probe({"exec": {"command": []}, **spec}, FakePod(*results), passed)
    said = []
    for _ in results:
        probe.next_at = 0
        probe.step()
        said.append(probe.said)
    return said


def endpoint(address, **conditions):
    return {"addresses": [address], "conditions": conditions}


class PartsTest(unittest.TestCase):
    def test_a_probe_counts_failures_in_a_row(self):
        self.assertEqual(opinions({"failureThreshold": 3}, True, False, False, True, False, False, False),
                         [True, True, True, True, True, False])
        self.assertEqual(opinions({}, False, True, False, False, False, True), [True, True, True, False, True])

    def test_a_startup_probe_has_no_opinion_until_it_is_sure(self):
        self.assertEqual(opinions({"failureThreshold": 2}, None, False, True), [None, True])
        self.assertEqual(opinions({"failureThreshold": 2}, None, False, False), [None, False])

    def test_a_probe_waits_for_its_first_delay_and_its_period(self):
        probe = Probe({"exec": {"command": []}, "initialDelaySeconds": 60}, FakePod())
        self.assertFalse(probe.step())
        probe = Probe({"exec": {"command": []}, "periodSeconds": 60}, FakePod(True), False)
        self.assertEqual((probe.step(), probe.step(), probe.said), (True, False, True))

    def test_callers_go_where_it_is_ready_and_else_where_it_still_serves(self):
        ends = [endpoint("10.244.0.4", ready=True), endpoint("10.244.0.5", ready=False, serving=True, terminating=True),
                endpoint("10.244.0.6", ready=False, serving=False)]
        slices = [{"metadata": {"namespace": "default", "labels": {"kubernetes.io/service-name": "voice-agent"}},
                   "ports": [{"name": "http", "port": 8080}], "endpoints": ends}]
        relays = types.SimpleNamespace(slices=types.SimpleNamespace(all=lambda: slices))
        self.assertEqual(Relays.endpoints(relays, "default", "voice-agent", "http"), [("10.244.0.4", 8080)])
        del ends[0]
        self.assertEqual(Relays.endpoints(relays, "default", "voice-agent", "http"), [("10.244.0.5", 8080)])
        self.assertEqual(Relays.endpoints(relays, "other", "voice-agent", "http"), [])

    def test_connections_are_shared_out_by_how_many_there_are_and_then_in_turn(self):
        backends, first = Backends(lambda: ["a", "b", "c"]), []
        for _ in range(6):
            # Short ones: none is there when the next one comes.
            first.append(backends.ordered()[0])
            backends.take(first[-1])
            backends.give_back(first[-1])
        self.assertEqual(first, ["a", "b", "c"] * 2)
        backends.take("a")
        self.assertEqual(backends.ordered(), ["b", "c", "a"])

    def test_a_pace_that_is_too_fast_is_found(self):
        def wrong(*steps):
            pace = Pace(lambda: 0)
            pace.steps = list(steps)
            return pace.wrong(most_up=4, up_seconds=60, down_percent=25, down_seconds=120)
        self.assertEqual(wrong((0, 3), (60, 7), (120, 11), (500, 8), (620, 6)), [])
        self.assertEqual(len(wrong((0, 3), (30, 8))), 1)
        self.assertEqual(len(wrong((0, 3), (30, 5), (60, 8))), 1)
        self.assertEqual(len(wrong((0, 12), (30, 8))), 1)
        self.assertEqual(len(wrong((0, 12), (30, 9), (90, 7))), 1)

    def test_a_token_has_three_parts(self):
        self.assertEqual(len(bearer("a secret", "https://id", "voice-agent", "ada").split(".")), 3)


if __name__ == "__main__":
    unittest.main()
