#!/usr/bin/env python3
"""The constants of the elementary functions in Sources/CKernels/functions.h, and expected values of these functions.

    python3 elementary.py            # checks the constants and rewrites elementary.txt beside it; needs mpmath
    python3 elementary.py --check    # writes nothing; fails if a constant or elementary.txt is not what it finds
    python3 elementary.py --print    # prints the constants as C writes them

Constants: polynomials of float functions are minimax polynomials, found by Remez' exchange and rounded to float32;
those of double functions are Taylor polynomials.

elementary.txt: a line "function argument… value" for each point, each number as the hexadecimal digits of its bits:
float32 with 8 digits, float64 with 16 for functions whose names end in 64. Values come from mpmath with 60 digits, and
are rounded once, to the nearest number, ties to even. Compare zeros by value: not every zero's sign is defined.
Arguments at which a function's value is not defined are left out.
"""

import math
import pathlib
import random
import re
import struct
import sys

from mpmath import cospi, cos, erfc, exp, factorial, floor, inf, isinf, isnan, log, lu_solve, matrix, mp, mpf, nan
from mpmath import nint, nstr, pi, power, sinpi, sqrt, tanh

mp.dps = 60
HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[2] / "Sources/CKernels/functions.h"
TABLE = HERE / "elementary.txt"


# Rounding. A format is (digits of the significand, exponent of the smallest normal number, of the largest).

FLOAT, DOUBLE = (24, -126, 127), (53, -1022, 1023)


def rounded(x, form):
    """The number of a format nearest to x, as a Python float; ties to even, subnormal numbers and overflow included."""
    digits, least, most = form
    x = mpf(x)
    if isnan(x) or isinf(x) or x == 0:
        return float(x)
    exponent = int(floor(log(abs(x), 2)))
    if exponent > most + 1:
        return math.copysign(math.inf, x)
    if exponent < least - digits - 1:
        return math.copysign(0.0, x)
    exponent = max(exponent, least)
    while abs(x) >= mpf(2) ** (exponent + 1):  # where log's rounding crossed a power of two
        exponent += 1
    while exponent > least and abs(x) < mpf(2) ** exponent:
        exponent -= 1
    quantum = mpf(2) ** (exponent - digits + 1)
    result = nint(x / quantum) * quantum
    if abs(result) >= mpf(2) ** (most + 1):
        return math.copysign(math.inf, x)
    return math.copysign(float(result), x)


def literal(x, form):
    """A constant as C writes it."""
    value = rounded(x, form)
    mantissa, exponent = value.hex().split("p")
    mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}p{exponent}" + ("f" if form == FLOAT else "")


# Constants.


def remez(f, weight, low, high, degree):
    """The polynomial p of a degree that minimises the largest |weight · (p − f)| over [low, high], as its coefficients
    from the constant one on, and this largest value. Remez' exchange of all extrema, on a grid of 3001 points."""
    count = degree + 2
    grid = [low + (high - low) * mpf(i) / 3000 for i in range(3001)]
    wanted = [(f(x), weight(x)) for x in grid]
    points = [(low + high) / 2 + (high - low) / 2 * cos(pi * (count - 1 - i) / (count - 1)) for i in range(count)]
    for _ in range(12):
        equations, values = matrix(count, count), matrix(count, 1)
        for i, x in enumerate(points):
            for k in range(degree + 1):
                equations[i, k] = x**k
            equations[i, degree + 1] = (-1) ** i / weight(x)
            values[i] = f(x)
        solution = lu_solve(equations, values)
        coefficients = [solution[k] for k in range(degree + 1)]
        errors = [
            w * (mp.polyval(coefficients[::-1], x) - y) for x, (y, w) in zip(grid, wanted, strict=True)
        ]
        extrema = []  # of alternating sign
        for i, error in enumerate(errors):
            before = abs(errors[i - 1]) if i > 0 else 0
            after = abs(errors[i + 1]) if i + 1 < len(errors) else 0
            if abs(error) < before or abs(error) < after:
                continue
            if extrema and (error > 0) == (errors[extrema[-1]] > 0):
                if abs(error) > abs(errors[extrema[-1]]):
                    extrema[-1] = i
            else:
                extrema.append(i)
        while len(extrema) > count:
            extrema.pop(0 if abs(errors[extrema[0]]) < abs(errors[extrema[-1]]) else -1)
        if len(extrema) < count:
            break
        points = [grid[i] for i in extrema]
        sizes = [abs(errors[i]) for i in extrema]
        if max(sizes) / min(sizes) < 1.001:
            break
    return coefficients, max(abs(error) for error in errors)


TINY = mpf(10) ** -9  # keeps weights from being 0


def exponential_polynomial():
    """q of eʳ = 1 + r + r² q(r), for the least relative error of eʳ. |r| is at most ln 2 / 2, and a little more after
    rounding."""

    def q(r):
        return (exp(r) - 1 - r) / r**2 if abs(r) > mpf(10) ** -8 else mpf(1) / 2 + r / 6

    limit = log(mpf(2)) / 2 * mpf("1.01")
    return remez(q, lambda r: r * r / exp(r) + TINY, -limit, limit, 4)


def tangent_polynomial():
    """p of tanh x = x + x³ p(x²) for x up to 0.6, for the least relative error of tanh x."""

    def p(square):
        x = sqrt(square)
        return (tanh(x) - x) / x**3 if x > mpf(10) ** -5 else -mpf(1) / 3 + 2 * square / 15

    def weight(square):
        x = sqrt(square)
        return square * x / tanh(x) + TINY

    return remez(p, weight, mpf(10) ** -8, mpf("0.6") ** 2, 5)


def normal_quotient():
    """a and b of Φ(−x) = e^(−x² / 2) a(x) / b(x), of degrees 4 and 5 with b(0) = 1, for x up to 15 and the least relative
    error of Φ, and this error. Each iteration solves a linear least-squares problem whose weights make the residuals
    those of a / b (Loeb) and raise the largest errors (Lawson)."""
    above, below = 4, 5
    low, high = 1 / (1 + mpf(15) / 3), mpf(1)
    spread = [(low + high) / 2 + (high - low) / 2 * cos(pi * i / 399) for i in range(400)]
    xs = [(1 / t - 1) * 3 for t in spread]
    tails = [erfc(x / sqrt(mpf(2))) / 2 * exp(x * x / 2) for x in xs]
    weights, denominators, best = [mpf(1)] * len(xs), [mpf(1)] * len(xs), (inf, [], [])
    for _ in range(40):
        rows = []
        for x, tail, weight, denominator in zip(xs, tails, weights, denominators, strict=True):
            scale = sqrt(weight) / (tail * denominator)
            rows.append(
                [scale * x**k for k in range(above + 1)]
                + [-scale * tail * x**k for k in range(1, below + 1)]
                + [scale * tail]
            )
        count = above + below + 1
        normal, right = matrix(count, count), matrix(count, 1)
        for i in range(count):
            right[i] = mp.fdot((row[i], row[count]) for row in rows)
            for k in range(i, count):
                normal[i, k] = normal[k, i] = mp.fdot((row[i], row[k]) for row in rows)
        solution = list(lu_solve(normal, right))
        a, b = solution[: above + 1], [mpf(1), *solution[above + 1 :]]
        denominators = [mp.polyval(b[::-1], x) for x in xs]
        errors = [
            abs(mp.polyval(a[::-1], x) / denominator / tail - 1)
            for x, denominator, tail in zip(xs, denominators, tails, strict=True)
        ]
        best = min(best, (max(errors), a, b), key=lambda found: found[0])
        total = mp.fdot(zip(weights, errors, strict=True))
        weights = [w * error / total * len(xs) + TINY for w, error in zip(weights, errors, strict=True)]
    return best[1], best[2], best[0]


def constants():
    """The constants in the order in which functions.h has them: groups of what they are, and literals."""

    def polynomial(found):
        coefficients, error = found
        return [literal(c, FLOAT) for c in coefficients[::-1]], f"error {nstr(error * 2**24, 2)} · 2⁻²⁴"

    ln2 = log(mpf(2))

    def split(x, bits):
        """x as its first bits and the rest."""
        high = floor(x * mpf(2) ** bits) / mpf(2) ** bits
        return high, x - high

    high, low = split(ln2, 15)
    yield "1 / ln 2, −ln 2 in two parts", [literal(c, FLOAT) for c in (1 / ln2, -high, -low)]
    q, error = polynomial(exponential_polynomial())
    yield f"exponential's q, {error}", q
    p, error = polynomial(tangent_polynomial())
    yield f"tanh's p, {error}", p
    a, b, error = normal_quotient()
    yield "Φ's a without a(0) = 1 / 2", polynomial((a[1:], error))[0]
    b, error = polynomial((b[1:], error))
    yield f"Φ's b without b(0) = 1, {error}", b
    yield "1 / √(2π)", [literal(1 / sqrt(2 * pi), FLOAT)]

    yield "the bits of √½", [f"0x{bits(rounded(sqrt(mpf(1) / 2), DOUBLE), DOUBLE)}u"]
    high, low = split(ln2, 40)
    yield "ln 2 in two parts", [literal(c, DOUBLE) for c in (high, low)]
    yield "1 / ln 2", [literal(1 / ln2, DOUBLE)]
    third = mpf(2) / 3
    yield "2 / 3 less its double", [literal(third - mpf(float(third)), DOUBLE)]
    circle = mpf(pi)
    yield "π in two parts", [literal(circle, DOUBLE), literal(circle - mpf(float(circle)), DOUBLE)]
    sine = [(-1) ** k * circle ** (2 * k + 1) / factorial(2 * k + 1) for k in range(8, 0, -1)]
    yield "sin πr without πr, of r² from r¹⁶ down", [literal(c, DOUBLE) for c in sine]
    cosine = [(-1) ** k * circle ** (2 * k) / factorial(2 * k) for k in range(8, 0, -1)]
    yield "cos πr: π² / 2, then the terms from r¹⁶ down to r⁴", [literal(c, DOUBLE) for c in (-cosine[-1], *cosine[:-1])]


def normalized(text):
    """A literal without zeros at its mantissa's end."""
    return re.sub(r"(\.[0-9a-f]*?)0+(?=p)", r"\1", text).replace(".p", "p")


def missing_constants():
    """The groups that functions.h does not have, in their order. Other literals may stand between two of a group."""
    source = [normalized(c) for c in re.findall(r"-?0x[0-9a-f.]+(?:p[+-]\d+f?|u)", SOURCE.read_text())]
    place, missing = 0, []
    for name, literals in constants():
        try:
            after = place
            for text in literals:
                after = source.index(normalized(text), after) + 1
            place = after
        except ValueError:
            missing.append(f"{name}: {', '.join(literals)}")
    return missing


# Expected values.


def bits(x, form):
    if math.isnan(x):
        return "7fc00000" if form == FLOAT else "7ff8000000000000"
    return struct.pack(">f" if form == FLOAT else ">d", x).hex()


def number(text):
    return struct.unpack(">f" if len(text) == 8 else ">d", bytes.fromhex(text))[0]


def around(x, form, steps=2):
    """The numbers of a format nearest to x, with `steps` more on both sides."""
    size = 4 if form == FLOAT else 8
    middle = int(bits(rounded(abs(x), form), form), 16)
    for step in range(max(middle - steps, 0), middle + steps + 1):
        yield math.copysign(number(step.to_bytes(size, "big").hex()), x)


def edges(points, form):
    return [x for point in points for x in around(point, form)]


def uniform(seed, low, high, count):
    source = random.Random(seed)
    return [source.uniform(low, high) for _ in range(count)]


def magnitudes(seed, low, high, count):
    """Of both signs, from 2^low to 2^high, with uniform logarithms."""
    source = random.Random(seed)
    return [source.choice((-1, 1)) * 2 ** source.uniform(low, high) for _ in range(count)]


SPECIAL = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan]
SMALLEST, LARGEST = 2.0**-149, (2 - 2.0**-23) * 2.0**127
SMALLEST_64, LARGEST_64 = 2.0**-1074, sys.float_info.max


def sigmoid_value(x):
    return 1 / (1 + exp(-x)) if x > 0 else exp(x) / (1 + exp(x))


def normal_value(x):
    return erfc(-x / sqrt(mpf(2))) / 2


def gelu_value(x):
    return x * normal_value(x) if x != inf else inf


def gelu_derivative_value(x):
    return normal_value(x) + x * exp(-x * x / 2) / sqrt(2 * pi)


def at_infinity(f, minus, plus):
    """f with its limits at −∞ and ∞."""
    return lambda x: minus if x == -inf else plus if x == inf else f(x)


def float_functions():
    """Names, functions of mpf, and arguments."""
    ln2 = math.log(2)
    # Where the reduced argument is largest.
    halves = [(n + 0.5) * ln2 for n in (-126, -64, -3, -2, -1, 0, 1, 2, 40, 127)]
    overflow, least, zero = float(128 * log(2)), float(-126 * log(2)), float(-150 * log(2))
    wide = edges([overflow, least, zero, 89, -89, -104, -105, LARGEST, -LARGEST, SMALLEST, *halves], FLOAT)
    tiny = magnitudes(1, -149, -10, 30)
    yield (
        "exponential",
        at_infinity(exp, 0, inf),
        SPECIAL + wide + tiny + uniform(2, -88, 89, 120) + uniform(3, -104, -87, 30) + uniform(4, -1, 1, 60),
    )
    yield (
        "sigmoid",
        at_infinity(sigmoid_value, 0, 1),
        SPECIAL + wide + tiny + uniform(5, -88, 20, 80) + uniform(6, -104, -87, 30) + uniform(7, -8, 8, 100),
    )
    yield (
        "hyperbolicTangent",
        at_infinity(tanh, -1, 1),
        SPECIAL
        + edges([0.6, -0.6, 9.01, -9.01, 44.5, LARGEST, -LARGEST, SMALLEST, -SMALLEST, 2.0**-126], FLOAT)
        + magnitudes(8, -149, 4, 90)
        + uniform(9, -0.7, 0.7, 80)
        + uniform(10, -10, 10, 80),
    )
    # gelu(−∞) and the derivative at ±∞ are left out: the kernels compute 0 · ∞ there.
    normal_edges = edges([15, -15, -14.17, -13.1, LARGEST, -LARGEST, SMALLEST, -SMALLEST, 5.5], FLOAT)
    near_zeros = edges([-0.7517916, 0.5, -1], FLOAT) + uniform(11, -0.76, -0.74, 12)
    normal = normal_edges + near_zeros + magnitudes(12, -149, 0, 60) + uniform(13, -6, 6, 120)
    normal += uniform(14, -15, -5, 50)
    finite = [x for x in SPECIAL if not math.isinf(x)]
    yield "gelu", gelu_value, [math.inf, *finite, *normal]
    yield "geluDerivative", gelu_derivative_value, finite + normal


def double_functions():
    ln2 = math.log(2)
    halves = [(n + 0.5) * ln2 for n in (-1022, -64, -2, -1, 0, 1, 2, 512, 1023)]
    overflow, least, zero = float(1024 * log(2)), float(-1022 * log(2)), float(-1075 * log(2))
    yield (
        "exponential64",
        at_infinity(exp, 0, inf),
        SPECIAL
        + edges([overflow, least, zero, 710, -746, LARGEST_64, -LARGEST_64, SMALLEST_64, *halves], DOUBLE)
        + magnitudes(15, -1074, -20, 30)
        + uniform(16, -709, 710, 100)
        + uniform(17, -746, -707, 30)
        + uniform(18, -1, 1, 50),
    )
    yield (
        "logarithm64",
        lambda x: -inf if x == 0 else nan if x < 0 else log(x),
        SPECIAL
        + edges([math.sqrt(0.5), math.sqrt(2), 1, 2, 0.5, SMALLEST_64, 2.0**-1022, LARGEST_64], DOUBLE)
        + [abs(x) for x in magnitudes(19, -1074, 1023.9, 100)]
        + [1 + x for x in magnitudes(20, -52, -2, 80)]
        + uniform(21, 0.5, 2, 80),
    )
    quarters = [n / 4 for n in range(-12, 13)] + [2.0**30, -(2.0**30), 2.0**30 - 0.5, 12345.25, 1e6 + 0.75]
    angles = quarters + edges([0.25, 0.5, 0.75, -1, 1.25, SMALLEST_64, 2.0**-1022], DOUBLE)
    angles += magnitudes(22, -1074, -2, 40) + uniform(23, -2, 2, 120) + magnitudes(24, 1, 30, 80)
    yield "sineOfPi64", sinpi, angles
    yield "cosineOfPi64", cospi, angles


def power_value(base, exponent):
    if exponent == 0 or base == 1:
        return mpf(1)
    if isnan(base) or isnan(exponent):
        return nan
    if base == 0 or base == inf:
        return mpf(0) if (base == 0) == (exponent > 0) else inf
    if isinf(exponent):
        return mpf(0) if (base < 1) == (exponent > 0) else inf
    return power(base, exponent)


def power_points():
    for base in (0.0, 1.0, 0.5, 2.0, math.inf, math.nan):
        for exponent in (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, math.inf, -math.inf, math.nan):
            yield base, exponent
    # Decay rates of moments and averages to the powers of steps.
    for decay in (0.9, 0.99, 0.999, 0.95):
        for step in (1, 2, 3, 7, 10, 31, 100, 365, 1000, 3000, 7100, 10000, 31623, 74000, 100000):
            yield decay, float(step)
    source = random.Random(25)
    for _ in range(90):
        yield source.uniform(0, 2), source.uniform(-300, 300)
    for _ in range(60):
        yield 2 ** source.uniform(-1074, 1023.9), source.uniform(-2, 2)
    for _ in range(30):
        distance = 2 ** source.uniform(-40, -5)
        yield 1 + source.choice((-1, 1)) * distance, source.uniform(-700, 700) / distance
    # Overflow, the least normal number, and the least number above 0.
    for base in (0.5, 0.999, 1.001, 10.0):
        for size in (1024, -1022, -1074, -1075):
            yield from ((base, exponent) for exponent in around(float(size * log(2) / log(base)), DOUBLE, 1))
    for base in around(math.sqrt(0.5), DOUBLE):
        yield base, 3.0


def table():
    seen = set()
    for functions, form in ((float_functions(), FLOAT), (double_functions(), DOUBLE)):
        for name, function, arguments in functions:
            for argument in arguments:
                x = rounded(argument, form)
                key = name, bits(x, form)
                if key in seen:
                    continue
                seen.add(key)
                y = rounded(nan if math.isnan(x) else function(mpf(x)), form)
                if y == 0 and x == 0 and name in ("hyperbolicTangent", "gelu"):
                    y = math.copysign(y, x)
                elif y == 0 and x < 0 and name in ("gelu", "geluDerivative"):
                    y = -0.0
                yield f"{name} {key[1]} {bits(y, form)}"
    for base, exponent in power_points():
        y = rounded(power_value(mpf(base), mpf(exponent)), DOUBLE)
        yield f"power64 {bits(base, DOUBLE)} {bits(exponent, DOUBLE)} {bits(y, DOUBLE)}"


def main(arguments):
    if arguments == ["--print"]:
        for name, literals in constants():
            print(f"{name}: {', '.join(literals)}")
        return 0
    if arguments not in ([], ["--check"]):
        print(__doc__)
        return 2
    missing = missing_constants()
    for group in missing:
        print(f"{SOURCE.name} does not have {group}")
    text = "\n".join(table()) + "\n"
    if not arguments:
        TABLE.write_text(text)
    elif TABLE.read_text() != text:
        print(f"{TABLE.name} is not what this script writes")
        return 1
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
