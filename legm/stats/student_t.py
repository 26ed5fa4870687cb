"""The quantile of Student's t-distribution, for whole and fractional degrees of freedom."""

from __future__ import annotations

import math

__all__ = ["student_t_quantile"]

_EPSILON = 2.0**-52


def student_t_quantile(level: float, dof: float) -> float:
    """The t with P(-t < T < t) = level, for T of Student's t-distribution; relative error about 1e-12.

    Args:
        level: the probability, in (0, 1); above 1000 degrees the error grows outside of 0.01 to 0.9999.
        dof: the degrees of freedom, at least 1, not necessarily a whole number.

    Returns:
        t, positive.

    Source: M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 1964. Up to 1000 degrees,
    A(t|dof) is an incomplete beta function by 26.7.1, with the continued fraction 26.5.8; beyond, t is the
    asymptotic expansion 26.7.5 in the normal quantile.
    """
    if dof == 1:
        return 1 / math.tan(math.pi / 2 * (1 - level))
    if dof == 2:
        return level * math.sqrt(2 / ((1 - level) * (1 + level)))
    from statistics import NormalDist  # importing it takes as long as all of this module

    normal = -NormalDist().inv_cdf((1 - level) / 2)
    if dof > 1000:
        return _asymptotic_t_quantile(normal, dof)
    density = 2 * _t_gamma_ratio(dof / 2) / math.sqrt(math.pi * dof)  # of |T| at 0
    t = max(normal, level / density)
    # Both are below the solution, and A is concave in t: Newton's method increases t and never overshoots.
    for _ in range(200):
        step = _t_probability_shortfall(t, dof, level, density) / (
            density * (1 + t * t / dof) ** (-(dof + 1) / 2)
        )
        t += step
        if abs(step) <= 1e-9 * t:  # the next step would be about the square of this one
            break
    return t


def _asymptotic_t_quantile(x: float, dof: float) -> float:
    """The asymptotic expansion of the quantile (26.7.5), from the normal quantile."""
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + math.fsum(term / dof**k for k, term in enumerate(terms, 1))


def _t_probability_shortfall(t: float, dof: float, level: float, density: float) -> float:
    """The level minus A(t|dof), from A or 1 - A, for whichever the continued fraction converges fast."""
    a, square = dof / 2, t * t / dof
    x = 1 / (1 + square)
    beta = math.exp(-a * math.log1p(square)) * math.sqrt(square * x) * density * math.sqrt(dof) / 2
    if x < (a + 1) / (a + 2.5):
        return beta / a * _t_beta_fraction(a, 0.5, x) - (1 - level)
    return level - 2 * beta * _t_beta_fraction(0.5, a, square * x)


def _t_beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function (26.5.8), by the modified Lentz method."""
    value = c = 1.0
    d = 0.0
    for k in range(1, 10_000):
        m = k // 2
        if k % 2:
            term = -(a + m) * (a + b + m) * x / ((a + k - 1) * (a + k))
        else:
            term = m * (b - m) * x / ((a + k - 1) * (a + k))
        d = 1 / (1 + term * d)
        c = 1 + term / c
        value *= c * d
        if abs(c * d - 1) <= _EPSILON:
            break
    return 1 / value


def _t_gamma_ratio(x: float) -> float:
    """Gamma(x + 1/2) / Gamma(x); for large x from the difference of Stirling's series (6.1.41)."""
    if x < 20:
        return math.gamma(x + 0.5) / math.gamma(x)
    powers = (-1 / 8, 1 / 192, -1 / 640, 17 / 14336, -31 / 18432)
    return math.sqrt(x) * math.exp(math.fsum(c / x ** (2 * k + 1) for k, c in enumerate(powers)))
