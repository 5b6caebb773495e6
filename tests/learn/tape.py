"""A scalar tape: reverse-mode differentiation of single numbers, the most obvious there is."""


class Number:
    """A value, its gradient, and how to push the gradient to its parents."""

    def __init__(self, value, parents=()):
        self.value, self.parents, self.gradient = float(value), parents, 0.0

    def __add__(self, other):
        other = as_number(other)
        return Number(self.value + other.value, ((self, 1.0), (other, 1.0)))

    def __sub__(self, other):
        return self + as_number(other) * -1.0

    def __mul__(self, other):
        other = as_number(other)
        return Number(self.value * other.value, ((self, other.value), (other, self.value)))

    __radd__, __rmul__ = __add__, __mul__

    def detached(self):
        return Number(self.value)


def as_number(x):
    return x if isinstance(x, Number) else Number(x)


def spike(over, slope):
    """1 where over >= 0, with the slope of the surrogate."""
    return Number(over.value >= 0, ((over, float(slope(over.value))),))


def backward(out):
    """Gradients of `out` into all it was made of."""
    order, seen = [], set()

    def visit(n):
        if id(n) not in seen:
            seen.add(id(n))
            for parent, _ in n.parents:
                visit(parent)
            order.append(n)

    visit(out)
    out.gradient = 1.0
    for n in reversed(order):
        for parent, factor in n.parents:
            parent.gradient += factor * n.gradient
