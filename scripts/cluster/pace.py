"""How an autoscaler went about it: each change of the number of replicas, and whether it kept to its own pace."""

import math
import time


class Pace:
    """Notes the replicas of a Deployment, second by second."""

    def __init__(self, read):
        self.read, self.began, self.steps = read, time.monotonic(), []

    def note(self):
        count, at = self.read(), time.monotonic() - self.began
        if not self.steps or self.steps[-1][1] != count:
            self.steps.append((at, count))
        return count

    def until(self, condition, longest):
        """Goes on noting until the number is as wanted; the number that it ended with."""
        end = time.monotonic() + longest
        while time.monotonic() < end:
            count = self.note()
            if condition(count):
                return count
            time.sleep(1)
        raise TimeoutError(f"never as wanted: {self.told()}")

    def told(self):
        return ", ".join(f"{at:.0f} s: {count}" for at, count in self.steps)

    def within(self, at, seconds, rises):
        """By how much it rose, or fell, in the seconds before this moment."""
        return sum(abs(count - before) for (_, before), (when, count) in zip(self.steps, self.steps[1:])
                   if at - seconds < when <= at and (count > before) == rises)

    def wrong(self, most_up, up_seconds, down_percent, down_seconds):
        """Where it was faster than its policies let it. A second's tolerance: we look once a second."""
        found = []
        for (_, before), (at, count) in zip(self.steps, self.steps[1:]):
            if count > before and self.within(at, up_seconds - 2, True) > most_up:
                found.append(f"up to {count} at {at:.0f} s")
            if count < before:
                fell = self.within(at, down_seconds - 2, False)
                if fell > math.ceil((count + fell) * down_percent / 100):
                    found.append(f"down to {count} at {at:.0f} s")
        return found
