#!/usr/bin/env python3
"""Expected parameters and rates of the update rules, in float64, from the papers and from nothing of this package.

    python3 make-fixtures.py            # rewrites rules.json and schedules.json beside it; needs NumPy 2
    python3 make-fixtures.py --check    # writes nothing; what it checks is told at check() below
    python3 make-fixtures.py --torch    # writes nothing; compares rules with torch.optim, pytorch_optimizer and schedulefree

rules.json: 200 updates over 24 parameters in four tensors, a case for each rule and choice of options. The gradients
are sums over `examples` examples, as the coordinator gets them, stored as float32 so that both sides start from the
same numbers. There are two sets of them, and each case names its own:
  wide: sizes from 1e-4 to 1e4 an element, for rules whose steps do not grow with the gradient
  even: standard normal, for those whose steps do
A case keeps the parameters after updates 1, 2, 10 and 200, and `scalars` where the rule moves a number of its own: λ of
the automatic blend as used in these updates, η of the hypergradient as used in them. `averages` is what is evaluated
where that is not the parameters.

schedules.json: the learning rates of chosen updates t, counted from 1.
"""

import fnmatch
import json
import math
import pathlib
import sys
from types import SimpleNamespace

import numpy as np

STEPS, COUNT, EXAMPLES = 200, 24, 32
KEPT = [1, 2, 10, 200]
SHAPES = {"0.weight": [2, 7], "0.bias": [4], "2.weight": [2, 2], "2.bias": [2]}
# With this seed no sum under Lion's sign comes so close to 0 that float32 could land on the other side; lion() asserts.
SEED = 20260105


def tensor_ranges():
    ranges, first = {}, 0
    for name, shape in SHAPES.items():
        ranges[name] = slice(first, first + math.prod(shape))
        first += math.prod(shape)
    assert first == COUNT
    return ranges


RANGES = tensor_ranges()


# What rules share. Scalars are Python floats and vectors keep the type of `theta`: float64 here, float32 under --check.


def norm(x):
    return float(np.sqrt(np.sum(x * x)))


def dot(x, y):
    return float(np.sum(x * y))


def clipped(gradients, o):
    """Each gradient, with clip-value elementwise or with clip-norm over all parameters; before any decay."""
    for g in gradients:
        if o.clip_value is not None:
            g = np.clip(g, -o.clip_value, o.clip_value)
        if o.clip_norm is not None:
            n = norm(g)
            if n > o.clip_norm:
                g = g * (o.clip_norm / n)
        yield g


def coupled(g, theta, o):
    """Decay as a part of the gradient."""
    return g + o.decay.astype(theta.dtype) * theta if o.weight_decay_kind == "coupled" and o.weight_decay > 0 else g


def decoupled(theta, o, rate=None):
    """Decay apart from the gradient (Loshchilov & Hutter 2019)."""
    if o.weight_decay_kind != "decoupled" or o.weight_decay == 0:
        return theta
    return (1 - (o.learning_rate if rate is None else rate) * o.decay).astype(theta.dtype) * theta


def slots(theta, count):
    return [np.zeros_like(theta) for _ in range(count)]


# The rules. Each yields the parameters after each update, blend and hypergradient with their scalar.


def gradient_descent(theta, gradients, o):
    """Cauchy 1847, of the full batch; Robbins & Monro 1951 of a part of it."""
    for g in gradients:
        g = coupled(g, theta, o)
        theta = decoupled(theta, o) - o.learning_rate * g
        yield theta


def momentum(theta, gradients, o):
    """Polyak 1964, as Sutskever, Martens, Dahl & Hinton 2013 write it, with a dampening as PyTorch has it.

    Unlike PyTorch's, the velocity is 0 before the first update, which is therefore dampened too."""
    (u,) = slots(theta, 1)
    for g in gradients:
        g = coupled(g, theta, o)
        u = o.momentum * u + (1 - o.dampening) * g
        theta = decoupled(theta, o) - o.learning_rate * u
        yield theta


def nesterov(theta, gradients, o):
    """Nesterov 1983, Sutskever et al. 2013, for the looked-ahead parameters."""
    (u,) = slots(theta, 1)
    for g in gradients:
        g = coupled(g, theta, o)
        u = o.momentum * u + g
        theta = decoupled(theta, o) - o.learning_rate * (g + o.momentum * u)
        yield theta


def rmsprop(theta, gradients, o):
    """Tieleman & Hinton 2012, lecture 6.5; centered, with momentum and epsilon in the root: Graves 2013, eq. 38-41.

    Graves has η inside his velocity, which is the same while η stays."""
    v, a, u = slots(theta, 3)
    for g in gradients:
        g = coupled(g, theta, o)
        v = o.rho * v + (1 - o.rho) * g**2
        w = v
        if o.centered:
            a = o.rho * a + (1 - o.rho) * g
            w = np.maximum(0, v - a**2)
            assert np.all(w >= v / 100), "a difference that float32 cannot hold"
        d = np.sqrt(w + o.epsilon) if o.epsilon_inside else np.sqrt(w) + o.epsilon
        u = o.momentum * u + g / d
        theta = decoupled(theta, o) - o.learning_rate * u
        yield theta


def rmsprop_momentum(theta, gradients, o):
    """RMSprop with Adam's first moment for the gradient and without its bias correction."""
    m, v = slots(theta, 2)
    for g in gradients:
        g = coupled(g, theta, o)
        m = o.beta1 * m + (1 - o.beta1) * g
        v = o.rho * v + (1 - o.rho) * g**2
        theta = decoupled(theta, o) - o.learning_rate * m / (np.sqrt(v) + o.epsilon)
        yield theta


def moments(m, v, g, t, o):
    """Kingma & Ba 2015, Algorithm 1: m, v and both without their bias."""
    m = o.beta1 * m + (1 - o.beta1) * g
    v = o.beta2 * v + (1 - o.beta2) * g**2
    return m, v, m / (1 - o.beta1**t), v / (1 - o.beta2**t)


def adam_direction(theta, o):
    """A function of t and the gradient: what Adam multiplies by η.

    epsilon-hat: the order of Kingma & Ba's section 2, last paragraph. amsgrad: Reddi, Kale & Kumar 2018, who have no
    bias correction; here it follows the maximum, as PyTorch has it."""
    m, v, x = slots(theta, 3)

    def direction(t, g):
        nonlocal m, v, x
        m, v, m_hat, _ = moments(m, v, g, t, o)
        x = np.maximum(x, v)
        w = x if o.amsgrad else v
        if not o.bias_correction:
            return m / (np.sqrt(w) + o.epsilon)
        if o.epsilon_hat:
            return math.sqrt(1 - o.beta2**t) / (1 - o.beta1**t) * m / (np.sqrt(w) + o.epsilon)
        return m_hat / (np.sqrt(w / (1 - o.beta2**t)) + o.epsilon)

    return direction


def adam(theta, gradients, o):
    """Kingma & Ba 2015, Algorithm 1."""
    direction = adam_direction(theta, o)
    for t, g in enumerate(gradients, start=1):
        g = coupled(g, theta, o)
        theta = decoupled(theta, o) - o.learning_rate * direction(t, g)
        yield theta


def hypergradient(theta, gradients, o):
    """Baydin, Cornish, Martínez Rubio, Schmidt & Wood 2018, additive: SGD-HD and Adam-HD.

    g is the gradient as it enters the rule, clipped and with coupled decay. The direction u is all that the rule
    multiplies by η, in whatever variant of Adam, but without decoupled decay."""
    direction = adam_direction(theta, o) if o.rule == "adam" else lambda t, g: g
    eta, (u,) = o.learning_rate, slots(theta, 1)
    for t, g in enumerate(gradients, start=1):
        g = coupled(g, theta, o)
        eta = max(0.0, eta + o.hypergradient_rate * dot(g, u))
        u = direction(t, g)
        theta = decoupled(theta, o, eta) - eta * u
        yield theta, eta


def adamw(theta, gradients, o):
    """Loshchilov & Hutter 2019, Algorithm 2, whose α and η are one here: the decay is η λ, not (η / α) λ."""
    m, v = slots(theta, 2)
    for t, g in enumerate(gradients, start=1):
        m, v, m_hat, v_hat = moments(m, v, g, t, o)
        theta = decoupled(theta, o) - o.learning_rate * m_hat / (np.sqrt(v_hat) + o.epsilon)
        yield theta


def nadam(theta, gradients, o):
    """Dozat 2016, Algorithm 2, with a constant μ = β₁, or with his μ that grows, in which PyTorch leaves ψ to the user."""

    def mu(t):
        return o.beta1 * (1 - 0.5 * 0.96 ** (t * o.momentum_decay)) if o.momentum_decay > 0 else o.beta1

    m, v = slots(theta, 2)
    product = 1.0
    for t, g in enumerate(gradients, start=1):
        g = coupled(g, theta, o)
        m, v, _, v_hat = moments(m, v, g, t, o)
        product *= mu(t)
        ahead = mu(t + 1) / (1 - product * mu(t + 1)) * m + (1 - mu(t)) / (1 - product) * g
        theta = decoupled(theta, o) - o.learning_rate * ahead / (np.sqrt(v_hat) + o.epsilon)
        yield theta


def adan(theta, gradients, o):
    """Xie et al. 2022, Algorithm 1 without restarts, and with the bias corrections of the authors' program. Its β are the
    shares of the former means."""
    m, d, v = slots(theta, 3)
    last = None
    for t, g in enumerate(gradients, start=1):
        x = g - last if last is not None else np.zeros_like(g)
        m = o.beta1 * m + (1 - o.beta1) * g
        d = o.beta2 * d + (1 - o.beta2) * x
        v = o.beta3 * v + (1 - o.beta3) * (g + o.beta2 * x) ** 2
        ahead = m / (1 - o.beta1**t) + o.beta2 * d / (1 - o.beta2**t)
        step = o.learning_rate * ahead / (np.sqrt(v / (1 - o.beta3**t)) + o.epsilon)
        theta = (theta - step) / (1 + o.learning_rate * o.decay).astype(theta.dtype)
        last = g
        yield theta


def stable_adamw(theta, gradients, o):
    """Wortsman et al. 2023, Algorithm 2."""
    m, v = slots(theta, 2)
    for t, g in enumerate(gradients, start=1):
        m, v, m_hat, v_hat = moments(m, v, g, t, o)
        after = np.zeros_like(theta)
        for tensor in RANGES.values():
            ratio = math.sqrt(float(np.mean(g[tensor] ** 2 / np.maximum(v_hat[tensor], o.epsilon**2))))
            rate = o.learning_rate / max(1.0, ratio)
            kept = (1 - rate * o.decay[tensor]).astype(theta.dtype) * theta[tensor]
            after[tensor] = kept - rate * m_hat[tensor] / (np.sqrt(v_hat[tensor]) + o.epsilon)
        theta = after
        yield theta


def adagrad(theta, gradients, o):
    """Duchi, Hazan & Singer 2011, the diagonal of it."""
    (s,) = slots(theta, 1)
    for g in gradients:
        g = coupled(g, theta, o)
        s = s + g**2
        theta = decoupled(theta, o) - o.learning_rate * g / (np.sqrt(s) + o.epsilon)
        yield theta


def adadelta(theta, gradients, o):
    """Zeiler 2012, Algorithm 1."""
    e, d = slots(theta, 2)
    for g in gradients:
        g = coupled(g, theta, o)
        e = o.rho * e + (1 - o.rho) * g**2
        delta = np.sqrt(d + o.epsilon) / np.sqrt(e + o.epsilon) * g
        d = o.rho * d + (1 - o.rho) * delta**2
        theta = decoupled(theta, o) - o.learning_rate * delta
        yield theta


def blend(theta, gradients, o):
    """λ of Adam's step and 1 − λ of RMSprop's; automatic: ∂L/∂λ of the last update, as Baydin et al. 2018 have η's."""
    m, v, s, d = slots(theta, 4)
    share = o.lambda_
    for t, g in enumerate(gradients, start=1):
        g = coupled(g, theta, o)
        done = (t - 1) / (o.total_steps - 1) if o.total_steps > 1 else 0
        if o.blend == "to-rmsprop":
            share = 1 - done
        elif o.blend == "to-adam":
            share = done
        elif o.blend == "auto" and t > 1:
            share = min(max(share - o.lambda_rate * dot(g, d), 0.0), 1.0)
        m, v, m_hat, v_hat = moments(m, v, g, t, o)
        s = o.rho * s + (1 - o.rho) * g**2
        adams = o.learning_rate * m_hat / (np.sqrt(v_hat) + o.epsilon)
        rmsprops = o.learning_rate * g / (np.sqrt(s) + o.epsilon)
        d = rmsprops - adams
        theta = decoupled(theta, o) - (share * adams + (1 - share) * rmsprops)
        yield theta, share


def lamb(theta, gradients, o):
    """You et al. 2020, Algorithm 2, φ the identity."""
    m, v = slots(theta, 2)
    for t, g in enumerate(gradients, start=1):
        m, v, m_hat, v_hat = moments(m, v, g, t, o)
        r = m_hat / (np.sqrt(v_hat) + o.epsilon) + o.decay.astype(theta.dtype) * theta
        step = np.zeros_like(theta)
        for tensor in RANGES.values():
            ours, its = norm(theta[tensor]), norm(r[tensor])
            q = ours / its if ours > 0 and its > 0 else 1.0
            step[tensor] = o.learning_rate * q * r[tensor]
        theta = theta - step
        yield theta


def lars(theta, gradients, o):
    """You, Gitman & Ginsburg 2017, Algorithm 1; q is 1 where a norm is 0, which the paper leaves open.

    λ of a tensor that decay-biases leaves out is 0 in q too."""
    (u,) = slots(theta, 1)
    for g in gradients:
        u = o.momentum * u
        for tensor in RANGES.values():
            decay = float(o.decay[tensor][0])
            ours, its = norm(theta[tensor]), norm(g[tensor])
            q = o.trust * ours / (its + decay * ours) if ours > 0 and its > 0 else 1.0
            u[tensor] += o.learning_rate * q * (g[tensor] + decay * theta[tensor])
        theta = theta - u
        yield theta


def lion(theta, gradients, o):
    """Chen et al. 2023, Algorithm 2."""
    m, sizes = slots(theta, 2)
    for g in gradients:
        c = o.beta1 * m + (1 - o.beta1) * g
        # A sum beside 0 has no sign that float32 could agree on.
        near = np.abs(c) <= 1e-4 * (o.beta1 * np.abs(m) + (1 - o.beta1) * np.abs(g))
        sizes = o.beta2 * sizes + (1 - o.beta2) * np.abs(g)
        near |= np.abs(c) <= 1e-5 * sizes
        assert not np.any(near & (c != 0)), "a sum beside 0: take another SEED"
        theta = decoupled(theta, o) - o.learning_rate * np.sign(c)
        m = o.beta2 * m + (1 - o.beta2) * g
        yield theta


def outer_nesterov(steps, theta, o):
    """Douillard et al. 2023, Algorithm 1, with one replica: what a rule did in a round of outer-every updates is the
    gradient of Sutskever et al.'s Nesterov momentum. The run's last update ends a round.

    `steps` are a rule's. The rules above keep no array but the one they yield, so writing to it moves them."""
    anchor, b = theta.copy(), np.zeros_like(theta)
    for t, after in enumerate(steps, start=1):
        theta = after[0] if isinstance(after, tuple) else after
        if t % o.outer_every == 0 or t == o.total_steps:
            delta = anchor - theta
            b = o.outer_momentum * b + delta
            theta[:] = anchor - o.outer_learning_rate * (delta + o.outer_momentum * b)
            anchor = theta.copy()
        yield after


def schedule_free_adamw(theta, gradients, o):
    """Defazio et al. 2024, Algorithm 1: the gradients are of y, of which the run's parameters are; x is evaluated. The
    weights of the average are the largest rates so far, squared, as in the authors' program."""
    x = z = y = theta
    (v,) = slots(theta, 1)
    largest, total = 0.0, 0.0
    for t, g in enumerate(gradients, start=1):
        rate = o.learning_rate * (min(1.0, t / o.warmup) if o.warmup else 1.0)
        v = o.beta2 * v + (1 - o.beta2) * g**2
        z = z - rate * (g / (np.sqrt(v / (1 - o.beta2**t)) + o.epsilon) + o.decay.astype(theta.dtype) * y)
        largest = max(largest, rate)
        total += largest**2
        c = largest**2 / total
        x = (1 - c) * x + c * z
        y = (1 - o.beta1) * z + o.beta1 * x
        o.average = x
        yield y


def adafactor(theta, gradients, o):
    """Shazeer & Stern 2018, Algorithm 4, with ε₁ as a bound of what is divided by, as in torch.optim."""
    state = {}
    for t, g in enumerate(gradients, start=1):
        w = t**-o.decay_exponent
        shrunk = decoupled(theta, o)
        after = np.empty_like(theta)
        for name, tensor in RANGES.items():
            squares = g[tensor].astype(theta.dtype) ** 2
            if len(SHAPES[name]) > 1:
                squares = squares.reshape(-1, SHAPES[name][-1])
                r, c = state.get(name, (0, 0))
                r = r + w * (squares.mean(1) - r)
                c = c + w * (squares.mean(0) - c)
                state[name] = r, c
                v = (np.outer(r, c) / max(r.mean(), o.epsilon)).ravel()
            else:
                v = state.get(name, 0)
                v = state[name] = v + w * (squares - v)
            u = g[tensor] / np.sqrt(np.maximum(v, o.epsilon**2))
            u = u / max(1.0, math.sqrt(float(np.mean(u**2))) / o.update_clip)
            alpha = max(o.least_scale, math.sqrt(float(np.mean(theta[tensor] ** 2)))) * min(o.learning_rate, 1 / math.sqrt(t))
            after[tensor] = shrunk[tensor] - alpha * u
        theta = after
        yield theta


def exponential_average(steps, o):
    """Kingma & Ba 2015, section 7.2."""
    mean = 0.0
    for t, after in enumerate(steps, start=1):
        theta = after[0] if isinstance(after, tuple) else after
        mean = o.ema * mean + (1 - o.ema) * theta
        o.average = mean / theta.dtype.type(1 - o.ema**t)
        yield after


def muon(theta, gradients, o):
    """Jordan 2024 with Liu et al. 2025's step size; what is no matrix follows Loshchilov & Hutter 2019."""
    m, v = slots(theta, 2)
    for t, g in enumerate(gradients, start=1):
        shrunk = decoupled(theta, o)
        after = np.empty_like(theta)
        for name, tensor in RANGES.items():
            if len(SHAPES[name]) > 1 and o.orthogonalize:
                m[tensor] = o.momentum * m[tensor] + (1 - o.momentum) * g[tensor]
                ahead = (1 - o.momentum) * g[tensor] + o.momentum * m[tensor]
                x = ahead.reshape(SHAPES[name])
                x = x / (norm(x) + 1e-7)
                for _ in range(int(o.newton_schulz_steps)):
                    gram = x @ x.T
                    x = 3.4445 * x + (-4.775 * gram + 2.0315 * gram @ gram) @ x
                after[tensor] = shrunk[tensor] - o.learning_rate * 0.2 * math.sqrt(max(x.shape)) * x.ravel()
            else:
                m[tensor] = o.beta1 * m[tensor] + (1 - o.beta1) * g[tensor]
                v[tensor] = o.beta2 * v[tensor] + (1 - o.beta2) * g[tensor] ** 2
                m_hat, v_hat = m[tensor] / (1 - o.beta1**t), v[tensor] / (1 - o.beta2**t)
                after[tensor] = shrunk[tensor] - o.learning_rate * m_hat / (np.sqrt(v_hat) + o.epsilon)
        theta = after
        yield theta


def soap(theta, gradients, o):
    """Vyas et al. 2024, Algorithm 3, with their program's start and order: the first update moves nothing."""
    m, v = slots(theta, 2)
    factors, bases = {}, {}
    for t, g in enumerate(gradients):
        shrunk = decoupled(theta, o)
        after = theta.copy()
        for name, tensor in RANGES.items():
            shape = SHAPES[name] if len(SHAPES[name]) > 1 else [1, *SHAPES[name]]
            x = g[tensor].reshape(shape)
            sides = [side for side in (0, 1) if len(SHAPES[name]) > 1 and 1 < shape[side] <= o.basis_limit]

            def turned(x, back=False, name=name, sides=sides):
                for side in sides:
                    q = bases[name, side]
                    x = np.moveaxis(np.tensordot(q if back else q.T, x, (1, side)), 0, side)
                return x

            if t > 0:
                m[tensor] = o.beta1 * m[tensor] + (1 - o.beta1) * g[tensor]
                v[tensor] = o.beta2 * v[tensor] + (1 - o.beta2) * turned(x).ravel() ** 2
                m_hat = turned(m[tensor].reshape(shape)).ravel() / (1 - o.beta1**t)
                n = m_hat / (np.sqrt(v[tensor] / (1 - o.beta2**t)) + o.epsilon)
                after[tensor] = shrunk[tensor] - o.learning_rate * turned(n.reshape(shape), back=True).ravel()
            for side in sides:
                gram = x @ x.T if side == 0 else x.T @ x
                factor = factors[name, side] = o.beta2 * factors.get((name, side), 0) + (1 - o.beta2) * gram
                if t == 0:
                    bases[name, side] = np.linalg.eigh(factor)[1][:, ::-1].copy()
                elif t % o.basis_every == 0:
                    q = bases[name, side]
                    order = np.argsort(-np.diag(q.T @ factor @ q), kind="stable")
                    v[tensor] = np.take(v[tensor].reshape(shape), order, side).ravel()
                    bases[name, side] = np.linalg.qr(factor @ q[:, order])[0]
        theta = after
        yield theta


RULES = {
    "gradient-descent": gradient_descent,
    "sgd": gradient_descent,
    "momentum": momentum,
    "nesterov": nesterov,
    "rmsprop": rmsprop,
    "rmsprop-momentum": rmsprop_momentum,
    "adam": adam,
    "adamw": adamw,
    "nadam": nadam,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "blend": blend,
    "lamb": lamb,
    "lars": lars,
    "lion": lion,
    "adan": adan,
    "stable-adamw": stable_adamw,
    "muon": muon,
    "schedule-free": schedule_free_adamw,
    "adafactor": adafactor,
    "soap": soap,
}

COMMON = {
    "weight-decay": 0,
    "weight-decay-kind": "coupled",
    "decay-biases": "yes",
    "clip-value": None,
    "clip-norm": None,
    "schedule": "constant",
    "hypergradient-rate": 1e-4,
    "outer-every": 0,
    "outer-learning-rate": 0.4,
    "outer-momentum": 0.9,
    "parameter-group": None,
    "ema": 0,
}
DEFAULTS = {
    "gradient-descent": {"learning-rate": 0.1},
    "sgd": {"learning-rate": 0.01},
    "momentum": {"learning-rate": 0.01, "momentum": 0.9, "dampening": 0},
    "nesterov": {"learning-rate": 0.01, "momentum": 0.9},
    "rmsprop": {
        "learning-rate": 0.001,
        "rho": 0.9,
        "epsilon": 1e-8,
        "momentum": 0,
        "centered": "no",
        "epsilon-inside": "no",
    },
    "rmsprop-momentum": {"learning-rate": 0.001, "beta1": 0.9, "rho": 0.9, "epsilon": 1e-8},
    "adam": {
        "learning-rate": 0.001,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "bias-correction": "yes",
        "epsilon-hat": "no",
        "amsgrad": "no",
    },
    "adamw": {
        "learning-rate": 0.001,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "weight-decay": 0.01,
        "weight-decay-kind": "decoupled",
    },
    "nadam": {"learning-rate": 0.002, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "momentum-decay": 0},
    "adagrad": {"learning-rate": 0.01, "epsilon": 1e-10},
    "adadelta": {"learning-rate": 1, "rho": 0.95, "epsilon": 1e-6},
    "blend": {
        "learning-rate": 0.001,
        "beta1": 0.9,
        "beta2": 0.999,
        "rho": 0.9,
        "epsilon": 1e-8,
        "lambda": 0.5,
        "blend": "constant",
        "lambda-rate": 1,
    },
    "lamb": {
        "learning-rate": 0.001,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-6,
        "weight-decay": 0.01,
        "weight-decay-kind": "its own",
    },
    "lars": {
        "learning-rate": 0.1,
        "momentum": 0.9,
        "trust": 0.001,
        "weight-decay": 0.0005,
        "weight-decay-kind": "its own",
    },
    "lion": {
        "learning-rate": 0.0001,
        "beta1": 0.9,
        "beta2": 0.99,
        "weight-decay": 0,
        "weight-decay-kind": "decoupled",
    },
    "adan": {
        "learning-rate": 0.001,
        "beta1": 0.98,
        "beta2": 0.92,
        "beta3": 0.99,
        "epsilon": 1e-8,
        "weight-decay": 0,
        "weight-decay-kind": "its own",
    },
    "stable-adamw": {
        "learning-rate": 0.001,
        "beta1": 0.9,
        "beta2": 0.99,
        "epsilon": 1e-6,
        "weight-decay": 0.01,
        "weight-decay-kind": "decoupled",
    },
    "schedule-free": {
        "learning-rate": 0.0025,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "weight-decay": 0,
        "weight-decay-kind": "its own",
        "warmup": 0,
    },
    "adafactor": {
        "learning-rate": 0.01,
        "decay-exponent": 0.8,
        "epsilon": 2.0**-23,
        "least-scale": 1e-3,
        "update-clip": 1,
        "weight-decay": 0,
        "weight-decay-kind": "decoupled",
    },
    "soap": {
        "learning-rate": 0.003,
        "beta1": 0.95,
        "beta2": 0.95,
        "epsilon": 1e-8,
        "basis-every": 10,
        "basis-limit": 1024,
        "weight-decay": 0.01,
        "weight-decay-kind": "decoupled",
    },
    "muon": {
        "learning-rate": 0.001,
        "momentum": 0.95,
        "newton-schulz-steps": 5,
        "orthogonalize": "yes",
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "weight-decay": 0.1,
        "weight-decay-kind": "decoupled",
    },
}


def case(rule, gradients, total_steps=STEPS, **options):
    names = {name: name.rstrip("_").replace("_", "-") for name in options}
    return SimpleNamespace(
        rule=rule, gradients=gradients, total_steps=total_steps, options={names[k]: v for k, v in options.items()}
    )


# Where decay is decoupled, η λ is chosen so that 1 − η λ is within 4e-9 of a float32: for others the rounding of this one
# number, 200 times over, can be more than the tests allow (2.1e-6 for η λ = 0.001 and momentum).
CASES = [
    case("gradient-descent", "even"),
    case("gradient-descent", "even", learning_rate=0.05, weight_decay=0.1, decay_biases="no", clip_value=1),
    case(
        "gradient-descent", "even", learning_rate=0.025, weight_decay=0.1, weight_decay_kind="decoupled", clip_norm=4
    ),
    case("sgd", "even"),
    case("sgd", "even", learning_rate=0.05, weight_decay=0.1),
    case("sgd", "even", learning_rate=0.05, weight_decay=0.05, weight_decay_kind="decoupled", decay_biases="no"),
    case("sgd", "even", learning_rate=0.03, clip_value=0.7, weight_decay=0.05, decay_biases="no"),
    case("sgd", "even", learning_rate=0.03, clip_norm=4),
    case("sgd", "wide", learning_rate=0.03, clip_value=0.5),
    case("momentum", "even"),
    case("momentum", "even", learning_rate=0.02, momentum=0.5, dampening=0.3),
    case("momentum", "even", learning_rate=0.02, dampening=0.9, weight_decay=0.2, decay_biases="no"),
    case("momentum", "even", learning_rate=0.03, momentum=0, weight_decay=0.1),
    case("momentum", "even", momentum=0.8, clip_norm=4, weight_decay=0.1),
    case(
        "momentum",
        "even",
        clip_value=1,
        weight_decay=0.25,
        weight_decay_kind="decoupled",
        decay_biases="no",
    ),
    case("nesterov", "even"),
    case("nesterov", "even", learning_rate=0.02, momentum=0.5, weight_decay=0.1),
    case(
        "nesterov", "even", learning_rate=0.005, momentum=0.95, clip_norm=4, weight_decay=0.1, decay_biases="no"
    ),
    case("nesterov", "even", learning_rate=0.02, momentum=0),
    case(
        "nesterov",
        "even",
        learning_rate=0.0125,
        momentum=0.8,
        clip_value=1,
        weight_decay=0.2,
        weight_decay_kind="decoupled",
    ),
    case("rmsprop", "wide"),
    case("rmsprop", "wide", learning_rate=0.01, rho=0.99, epsilon=1e-6),
    case("rmsprop", "wide", learning_rate=0.05, rho=0, epsilon=1e-2),
    case("rmsprop", "wide", learning_rate=0.005, centered="yes"),
    case("rmsprop", "wide", momentum=0.9),
    case("rmsprop", "wide", learning_rate=0.005, epsilon_inside="yes"),
    case(
        "rmsprop",
        "wide",
        learning_rate=0.002,
        rho=0.95,
        epsilon=1e-4,
        momentum=0.5,
        centered="yes",
        epsilon_inside="yes",
    ),
    case("rmsprop", "even", learning_rate=0.005, clip_norm=4, weight_decay=0.1, decay_biases="no"),
    case("rmsprop", "even", learning_rate=0.005, clip_value=1, weight_decay=0.5, weight_decay_kind="decoupled"),
    case(
        "rmsprop",
        "even",
        learning_rate=0.003,
        momentum=0.9,
        centered="yes",
        weight_decay=0.16,
        weight_decay_kind="decoupled",
        decay_biases="no",
    ),
    case("rmsprop-momentum", "wide"),
    case("rmsprop-momentum", "wide", learning_rate=0.01, beta1=0.5, rho=0.99, epsilon=1e-3),
    case("rmsprop-momentum", "even", learning_rate=0.01, weight_decay=0.1, decay_biases="no", clip_norm=4),
    case(
        "rmsprop-momentum",
        "even",
        learning_rate=0.01,
        beta1=0,
        weight_decay=0.25,
        weight_decay_kind="decoupled",
        clip_value=1,
    ),
    case("adam", "wide"),
    case("adam", "wide", learning_rate=0.01, beta1=0.8, beta2=0.99, epsilon=1e-6),
    case("adam", "wide", learning_rate=0.1, beta1=0, beta2=0.5, epsilon=1e-3),
    case("adam", "wide", learning_rate=0.01, bias_correction="no"),
    case("adam", "wide", learning_rate=0.01, epsilon=1e-3, epsilon_hat="yes"),
    case("adam", "wide", learning_rate=0.01, beta2=0.9, amsgrad="yes"),
    case("adam", "wide", learning_rate=0.01, beta2=0.95, epsilon=1e-3, amsgrad="yes", epsilon_hat="yes"),
    case("adam", "wide", learning_rate=0.01, beta2=0.95, amsgrad="yes", bias_correction="no"),
    case("adam", "even", learning_rate=0.005, weight_decay=0.1),
    case("adam", "even", learning_rate=0.005, weight_decay=0.5, weight_decay_kind="decoupled"),
    case("adam", "even", learning_rate=0.005, weight_decay=0.1, decay_biases="no", clip_value=1),
    case(
        "adam",
        "even",
        learning_rate=0.005,
        weight_decay=0.5,
        weight_decay_kind="decoupled",
        decay_biases="no",
        clip_norm=4,
    ),
    case("adam", "wide", learning_rate=0.01, clip_value=0.5),
    case("adamw", "wide"),
    case("adamw", "wide", learning_rate=0.0125, beta1=0.8, beta2=0.99, epsilon=1e-4, weight_decay=0.2),
    case("adamw", "even", learning_rate=0.01, weight_decay=0.25, decay_biases="no", clip_value=1),
    case("adamw", "even", learning_rate=0.01, weight_decay=0, clip_norm=4),
    case("nadam", "wide"),
    case("nadam", "wide", learning_rate=0.01, beta1=0.7, beta2=0.99, epsilon=1e-4),
    case("nadam", "even", learning_rate=0.01, weight_decay=0.1, decay_biases="no", clip_norm=4),
    case(
        "nadam", "even", learning_rate=0.01, beta1=0, weight_decay=0.25, weight_decay_kind="decoupled", clip_value=1
    ),
    case("nadam", "wide", momentum_decay=0.004),
    case("nadam", "even", learning_rate=0.01, beta1=0.95, momentum_decay=1),
    case("adagrad", "wide"),
    case("adagrad", "wide", learning_rate=0.1, epsilon=1e-2),
    case("adagrad", "even", learning_rate=0.1, weight_decay=0.1, decay_biases="no", clip_norm=4),
    case("adagrad", "even", learning_rate=0.05, weight_decay=0.05, weight_decay_kind="decoupled", clip_value=1),
    case("adadelta", "wide"),
    case("adadelta", "wide", learning_rate=0.5, rho=0.9, epsilon=1e-4),
    case("adadelta", "even", weight_decay=0.1, decay_biases="no", clip_norm=4),
    case(
        "adadelta",
        "even",
        learning_rate=2,
        rho=0.99,
        weight_decay=0.03,
        weight_decay_kind="decoupled",
        decay_biases="no",
        clip_value=1,
    ),
    case("blend", "wide"),
    case("blend", "wide", learning_rate=0.005, lambda_=0),
    case("blend", "wide", learning_rate=0.005, lambda_=1),
    case("blend", "wide", learning_rate=0.01, beta1=0.8, beta2=0.99, rho=0.95, epsilon=1e-4, lambda_=0.3),
    case("blend", "wide", learning_rate=0.005, blend="to-rmsprop"),
    case("blend", "wide", learning_rate=0.005, blend="to-adam"),
    case("blend", "even", learning_rate=0.005, blend="to-rmsprop", total_steps=300, clip_value=1),
    case("blend", "even", learning_rate=0.1, blend="to-rmsprop", total_steps=1),
    case("blend", "even", learning_rate=0.1, blend="to-adam", total_steps=1),
    case("blend", "even", blend="auto"),
    case("blend", "even", learning_rate=0.005, blend="auto", lambda_=0.8, lambda_rate=0.3),
    case("blend", "even", learning_rate=0.005, blend="auto", lambda_=0.2, lambda_rate=5),
    case(
        "blend",
        "even",
        learning_rate=0.005,
        blend="auto",
        lambda_rate=0.5,
        weight_decay=0.2,
        decay_biases="no",
        clip_norm=4,
    ),
    case(
        "blend",
        "even",
        learning_rate=0.006,
        blend="auto",
        lambda_rate=0.5,
        weight_decay=0.3,
        weight_decay_kind="decoupled",
        clip_value=1,
    ),
    case("blend", "even", learning_rate=0.005, weight_decay=0.1, decay_biases="no", clip_norm=4),
    case(
        "blend",
        "even",
        learning_rate=0.005,
        weight_decay=0.5,
        weight_decay_kind="decoupled",
        decay_biases="no",
        clip_value=1,
    ),
    case("lamb", "wide"),
    case("lamb", "wide", learning_rate=0.005, beta1=0.8, beta2=0.99, epsilon=1e-3, weight_decay=0),
    case("lamb", "wide", learning_rate=0.005, weight_decay=0.5, decay_biases="no"),
    case("lamb", "wide", learning_rate=0.005, weight_decay=0.5, clip_norm=100),
    case("lamb", "even", learning_rate=0.005, weight_decay=0.2, decay_biases="no", clip_value=1),
    case("lars", "even"),
    case("lars", "even", learning_rate=0.5, momentum=0.8, trust=0.02, weight_decay=0.2),
    case("lars", "even", learning_rate=0.2, trust=0.02, weight_decay=0.5, decay_biases="no", clip_norm=4),
    case("lars", "even", learning_rate=0.5, momentum=0, trust=0.02, weight_decay=0, clip_value=1),
    case("lion", "wide"),
    case("lion", "wide", learning_rate=0.005, beta1=0.8, beta2=0.95, weight_decay=0.5),
    case("lion", "even", learning_rate=0.003, weight_decay=0.16, decay_biases="no", clip_norm=4),
    case("lion", "even", learning_rate=0.003, beta1=0.5, weight_decay=0.03, clip_value=1),
    case("lion", "even", beta1=0),
    case("adan", "wide"),
    case("adan", "wide", learning_rate=0.01, beta1=0.9, beta2=0.5, beta3=0.95, epsilon=1e-3),
    case("adan", "even", learning_rate=0.01, weight_decay=0.25, decay_biases="no", clip_norm=4),
    case("adan", "even", learning_rate=0.01, beta1=0, weight_decay=0.5, clip_value=1),
    case("stable-adamw", "wide"),
    case("stable-adamw", "wide", learning_rate=0.0125, beta1=0.8, beta2=0.9, epsilon=1e-3, weight_decay=0.2),
    case("stable-adamw", "even", learning_rate=0.01, weight_decay=0.25, decay_biases="no", clip_value=1),
    case("stable-adamw", "even", learning_rate=0.01, beta2=0.999, weight_decay=0, clip_norm=4),
    case("sgd", "even", schedule="hypergradient", hypergradient_rate=1e-4),
    case("sgd", "even", learning_rate=0.05, schedule="hypergradient", hypergradient_rate=1e-5),
    case(
        "sgd",
        "even",
        schedule="hypergradient",
        hypergradient_rate=1e-4,
        weight_decay=0.2,
        decay_biases="no",
        clip_value=1,
    ),
    case("adam", "even", schedule="hypergradient", hypergradient_rate=1e-4),
    case("adam", "even", learning_rate=0.01, beta1=0.8, schedule="hypergradient", hypergradient_rate=1e-5),
    case(
        "adam",
        "even",
        learning_rate=0.01,
        schedule="hypergradient",
        hypergradient_rate=2e-5,
        weight_decay=0.2,
        weight_decay_kind="decoupled",
        clip_norm=4,
    ),
    case(
        "adam",
        "even",
        learning_rate=0.01,
        beta2=0.9,
        epsilon=0.1,
        amsgrad="yes",
        epsilon_hat="yes",
        schedule="hypergradient",
        hypergradient_rate=2e-5,
        weight_decay=0.2,
    ),
    # Outer steps: after each update, in rounds of which the last is shorter or not, and in one that the run's end cuts.
    case("schedule-free", "wide"),
    case("schedule-free", "wide", learning_rate=0.01, beta1=0.5, beta2=0.95, epsilon=1e-3),
    case("schedule-free", "even", learning_rate=0.01, weight_decay=0.25, decay_biases="no", clip_norm=4),
    case("schedule-free", "even", learning_rate=0.01, beta1=0.98, weight_decay=0.5, clip_value=1, warmup=20),
    case("schedule-free", "even", weight_decay=0.25, parameter_group="*.bias: frozen; 2.*: learning-rate 0.02"),
    case("adafactor", "wide"),
    case("adafactor", "wide", learning_rate=0.1, decay_exponent=0.5, epsilon=0.01, least_scale=2, update_clip=0.5),
    case("adafactor", "even", learning_rate=0.05, weight_decay=0.25, decay_biases="no", clip_norm=4, least_scale=0.5),
    case("adafactor", "even", learning_rate=0.05, weight_decay=0.25, clip_value=1, outer_every=3),
    case("adafactor", "even", parameter_group="*.bias: frozen; 2.*: update-clip 0.5, learning-rate 0.05"),
    case("sgd", "even", ema=0.9),
    case("adam", "wide", ema=0.999),
    case("adamw", "even", ema=0.99, clip_norm=4, outer_every=3, parameter_group="*.bias: frozen"),
    case("lamb", "even", ema=0.5, total_steps=300),
    case("sgd", "even", outer_every=3),
    case("sgd", "even", outer_every=1, outer_learning_rate=0.7, outer_momentum=0.8),
    case("sgd", "even", schedule="hypergradient", hypergradient_rate=1e-5, outer_every=3),
    case("momentum", "even", outer_every=8, outer_learning_rate=0.7, outer_momentum=0.5),
    case("momentum", "even", outer_every=3, total_steps=2),
    case("adam", "wide", outer_every=1),
    case("adam", "wide", outer_every=3),
    case("adam", "wide", outer_every=7, outer_learning_rate=0.7, outer_momentum=0),
    case("adam", "even", clip_norm=4, weight_decay=0.1, decay_biases="no", outer_every=3, total_steps=300),
    case("adamw", "wide", outer_every=30),
    case("blend", "wide", outer_every=3),
    case("blend", "even", blend="auto", lambda_rate=0.3, outer_every=3, outer_momentum=0.5),
    case("lamb", "wide", outer_every=3),
    case("lamb", "even", clip_value=1, outer_every=1, outer_momentum=0.5),
    case("lars", "even", outer_every=3, outer_learning_rate=1, outer_momentum=0.5),
    case("rmsprop", "wide", momentum=0.9, centered="yes", outer_every=3, outer_momentum=0.5),
    case("adagrad", "wide", outer_every=3, outer_momentum=0.5),
    # Groups: a tensor is in the first that matches.
    case("sgd", "even", parameter_group="*.weight: learning-rate 0.05"),
    case("sgd", "even", clip_norm=4, weight_decay=0.1, parameter_group="2.*: frozen; *.bias: weight-decay 0"),
    case("momentum", "even", parameter_group="0.*: momentum 0.5; *.weight: learning-rate 0.02"),
    case("adam", "wide", parameter_group="*.bias: beta1 0.5, beta2 0.9; ?.weight: learning-rate 0.01"),
    case(
        "adamw",
        "even",
        learning_rate=0.01,
        weight_decay=0.25,
        decay_biases="no",
        parameter_group="0.bias: weight-decay 0.5; 0.*: learning-rate 0.0125, weight-decay 0.2",
    ),
    case("lamb", "wide", parameter_group="[0-1].*: weight-decay 0.5; 2.bias: frozen"),
    case("adan", "even", weight_decay=0.25, parameter_group="2.*: weight-decay 0, learning-rate 0.01"),
    # Of 2 × 7 values the first gradient leaves five vectors of seven free, so a side of seven has no basis here.
    case("soap", "even", basis_limit=2),
    case(
        "soap", "even", basis_limit=2, learning_rate=0.01, beta1=0.8, beta2=0.9, epsilon=0.1, weight_decay=0.25, clip_value=1
    ),
    case("soap", "even", basis_limit=2, basis_every=3, weight_decay=0.25, decay_biases="no", clip_norm=4),
    case("soap", "even", basis_limit=1, outer_every=3, weight_decay=0),
    case("soap", "even", basis_limit=2, parameter_group="2.*: basis-limit 1, learning-rate 0.01; 0.bias: frozen"),
    case("muon", "even"),
    case("muon", "even", learning_rate=0.002, momentum=0.8, weight_decay=0, beta1=0.8, beta2=0.99, epsilon=0.1),
    case("muon", "wide"),
    case("muon", "even", weight_decay=0.5, decay_biases="no", clip_norm=4, newton_schulz_steps=3),
    case("muon", "even", orthogonalize="no", clip_value=1),
    case("muon", "even", outer_every=3, outer_momentum=0.5, parameter_group="2.*: orthogonalize 0; 0.bias: frozen"),
    case("adagrad", "wide", outer_every=3, parameter_group="*.bias: frozen; 2.*: learning-rate 0.1"),
]


def groups_of(text):
    """For each tensor: the options that its group gives it, None if it is frozen."""
    groups = {}
    for name in RANGES:
        groups[name] = {}
        for group in text.split(";"):
            pattern, options = (part.strip() for part in group.split(":"))
            if fnmatch.fnmatchcase(name, pattern):
                words = [option.split() for option in options.split(",")]
                groups[name] = None if words == [["frozen"]] else {key: float(value) for key, value in words}
                break
    return groups


def run_groups(case, start, gradients, options):
    """Each tensor from a run of all with its group's options: what these rules do to a tensor does not depend on others,
    but for the norm that clips, of which frozen tensors are no part."""
    groups = groups_of(options["parameter-group"])
    gradients = gradients.copy()
    for name, group in groups.items():
        if group is None:
            gradients[:, RANGES[name]] = 0
    paths = {}
    for name, group in groups.items():
        if group is not None:
            decays = {"decay-biases": "yes"} if "weight-decay" in group else {}
            own = {**options, **group, **decays, "parameter-group": None}
            paths[name] = list(run(case, start, gradients, own))
    for t in range(case.total_steps if case.total_steps < len(gradients) else len(gradients)):
        theta, average = start.copy(), start.copy()
        for name, path in paths.items():
            theta[RANGES[name]] = path[t][0][RANGES[name]]
            if path[t][2] is not None:
                average[RANGES[name]] = path[t][2][RANGES[name]]
        yield theta, None, None if path[t][2] is None else average


def run(case, start, gradients, options=None):
    """Yields parameters, scalar (None where the rule has none to show) and what is evaluated (None where that is the
    parameters) after each update."""
    given = case.options if options is None else options
    options = {**COMMON, **DEFAULTS[case.rule], **given}
    if options["parameter-group"]:
        assert options["schedule"] != "hypergradient" and options.get("blend") != "auto"
        yield from run_groups(case, start, gradients, given)
        return
    values = {"lambda_" if name == "lambda" else name.replace("-", "_"): value for name, value in options.items()}
    flags = {name: value == "yes" for name, value in values.items() if value in ("yes", "no")}
    o = SimpleNamespace(**{**values, **flags}, rule=case.rule, total_steps=case.total_steps)
    decay = np.zeros(COUNT)
    for name, tensor in RANGES.items():
        decay[tensor] = o.weight_decay if o.decay_biases or not name.endswith("bias") else 0
    o.decay = decay
    o.average = None
    rule = hypergradient if o.schedule == "hypergradient" else RULES[case.rule]
    shown = o.schedule == "hypergradient" or getattr(o, "blend", None) == "auto"
    steps = rule(start, clipped(gradients[: case.total_steps], o), o)
    if o.outer_every:
        steps = outer_nesterov(steps, start, o)
    for after in exponential_average(steps, o) if o.ema else steps:
        theta, scalar = after if isinstance(after, tuple) else (after, None)
        assert theta.dtype == start.dtype
        assert o.average is None or o.average.dtype == start.dtype
        yield theta, scalar if shown else None, o.average


# The schedules: factors of the base rate for k = 0, 1, … updates done since the end of the warmup.


def constant(o):
    while True:
        yield 1.0


def linear(o):
    for k in range(o.left):
        yield 1 - (1 - o.schedule_end) * k / o.left


def exponential(o):
    for k in range(o.left):
        yield o.schedule_factor ** (k / o.schedule_steps)


def step(o):
    for k in range(o.left):
        yield o.schedule_factor ** (k // o.schedule_steps)


def cosine(o):
    """Loshchilov & Hutter 2017, SGDR, eq. 5. A period and a half rounds up: 5 grows by 1.5 to 8."""
    c, period = 0, o.schedule_steps
    while True:
        yield o.schedule_end + (1 - o.schedule_end) * (1 + math.cos(math.pi * c / period)) / 2
        c += 1
        if c == period:
            c, period = 0, math.floor(period * o.schedule_growth + 0.5)


def polynomial(o):
    for k in range(o.left):
        yield o.schedule_end + (1 - o.schedule_end) * (1 - k / o.left) ** o.schedule_power


def inverse_sqrt(o):
    """Vaswani et al. 2017, section 5.3, with a peak of 1 at the end of the warmup."""
    peak = max(o.warmup, 1)
    for k in range(o.left):
        yield math.sqrt(peak / max(o.warmup + k + 1, peak))


def rise(o):
    """Smith 2017, section 3.3, by equal factors in place of equal differences."""
    for k in range(o.left):
        yield o.schedule_range ** (k / max(o.left - 1, 1))


def plateau(o):
    """As PyTorch's ReduceLROnPlateau with threshold_mode rel. Evaluations during the warmup count too."""
    best, bad, factor = math.inf, 0, 1.0
    losses = dict(o.evaluations)
    for t in range(1, o.total_steps + 1):
        if t > o.warmup:
            yield factor
        if t in losses:
            if losses[t] < best * (1 - o.plateau_threshold):
                best, bad = losses[t], 0
            else:
                bad += 1
            if bad > o.plateau_patience:
                factor, bad = factor * o.schedule_factor, 0


SCHEDULES = {
    "constant": (constant, {}),
    "linear": (linear, {"schedule-end": 0}),
    "exponential": (exponential, {"schedule-factor": 0.9, "schedule-steps": None}),
    "step": (step, {"schedule-factor": 0.1, "schedule-steps": None}),
    "cosine": (cosine, {"schedule-end": 0, "schedule-steps": None, "schedule-growth": 1}),
    "polynomial": (polynomial, {"schedule-end": 0, "schedule-power": 2}),
    "inverse-sqrt": (inverse_sqrt, {}),
    "range": (rise, {"schedule-range": 1e6}),
    "plateau": (plateau, {"schedule-factor": 0.1, "plateau-patience": 2, "plateau-threshold": 1e-4}),
}


def rates(plan):
    """The learning rate of each update."""
    schedule, defaults = SCHEDULES[plan.schedule]
    options = {"warmup": 0, **defaults, **plan.options}
    o = SimpleNamespace(**{name.replace("-", "_"): value for name, value in options.items()})
    o.total_steps, o.evaluations, o.left = plan.total_steps, plan.evaluations, plan.total_steps - o.warmup
    if options.get("schedule-steps", 0) is None:
        third = -(-plan.total_steps // 3)
        o.schedule_steps = {"exponential": plan.steps_per_epoch, "step": third, "cosine": o.left}[plan.schedule]
    factors = schedule(o)
    return [
        plan.base_rate * ((t / o.warmup) if t <= o.warmup else next(factors)) for t in range(1, plan.total_steps + 1)
    ]


def plan(schedule, at, base_rate=0.1, total_steps=200, steps_per_epoch=20, evaluations=(), **options):
    """`at`: updates whose rates are of interest; their neighbours are kept with them."""
    return SimpleNamespace(
        schedule=schedule,
        at=at,
        base_rate=base_rate,
        total_steps=total_steps,
        steps_per_epoch=steps_per_epoch,
        evaluations=[list(evaluation) for evaluation in evaluations],
        options={name.replace("_", "-"): value for name, value in options.items()},
    )


# After each tenth update: better; a little worse; less of an improvement than the threshold; equal; better; four no
# better; not enough of an improvement on the best, then in sum enough; none any more.
LOSSES = [
    *[2.3, 1.9, 1.95, 1.89995, 1.9, 1.2, 1.3, 1.25, 1.21, 1.22, 1.19994, 1.1998, 1.3, 1.3],
    *[1.3, 1.4, 1.5, 1.6, 1.7, 1.8],
]
EVALUATIONS = [(10 * (i + 1), loss) for i, loss in enumerate(LOSSES)]
EVALUATED = [t for t, _ in EVALUATIONS]
PLANS = [
    plan("constant", []),
    plan("constant", [10], warmup=10),
    plan("constant", [], warmup=1, total_steps=3),
    plan("linear", [100]),
    plan("linear", [17], schedule_end=0.25, warmup=17, base_rate=0.003),
    plan("linear", [], total_steps=1),
    plan("linear", [], schedule_end=1, total_steps=7),
    plan("exponential", [20, 40, 180]),
    plan("exponential", [20, 50, 57], schedule_factor=0.5, schedule_steps=7, warmup=50),
    plan("exponential", [23], warmup=3, steps_per_epoch=23, base_rate=0.001),
    plan("step", [67, 134]),
    plan("step", [66, 67, 132, 133], total_steps=199),
    plan("step", [30, 60, 90, 180], schedule_factor=0.5, schedule_steps=30),
    plan("step", [10, 77, 144], warmup=10, base_rate=0.003),
    plan("step", [10, 35, 60, 185], schedule_factor=0.7, schedule_steps=25, warmup=10),
    plan("cosine", [50, 100, 150]),
    plan("cosine", [20, 110], warmup=20, schedule_end=0.1, base_rate=0.003),
    plan("cosine", [50, 100, 150], schedule_steps=50),
    plan("cosine", [10, 30, 70, 150], schedule_steps=10, schedule_growth=2),
    plan(
        "cosine",
        [15, 22, 32, 46, 66, 94, 133, 188],
        schedule_steps=7,
        schedule_growth=1.4,
        schedule_end=0.05,
        warmup=15,
    ),
    plan("cosine", [5, 13, 25, 43, 70, 111, 173], schedule_steps=5, schedule_growth=1.5),
    plan("cosine", [100], schedule_steps=300),
    plan("cosine", [], total_steps=1),
    plan("polynomial", [100]),
    plan("polynomial", [100], schedule_power=1, schedule_end=0.2),
    plan("polynomial", [25], schedule_power=0.5, warmup=25, base_rate=0.003),
    plan("polynomial", [13], schedule_power=3.5, schedule_end=0.01, warmup=13),
    plan("inverse-sqrt", [4, 9, 16, 100]),
    plan("inverse-sqrt", [40, 90, 160], warmup=40),
    plan("inverse-sqrt", [1, 4], warmup=1, base_rate=0.003),
    plan("range", [50, 100, 150]),
    plan("range", [30], schedule_range=100, total_steps=60, base_rate=1e-4),
    plan("range", [], total_steps=1),
    plan("plateau", EVALUATED, evaluations=EVALUATIONS),
    plan("plateau", EVALUATED, evaluations=EVALUATIONS, schedule_factor=0.5, plateau_patience=0),
    plan("plateau", EVALUATED, evaluations=EVALUATIONS, schedule_factor=0.3, plateau_patience=1, warmup=45),
    plan("plateau", EVALUATED, evaluations=EVALUATIONS, plateau_patience=3, plateau_threshold=0.5),
    plan(
        "plateau",
        EVALUATED,
        evaluations=EVALUATIONS,
        schedule_factor=0.5,
        plateau_patience=1,
        plateau_threshold=1e-5,
        base_rate=0.003,
    ),
    plan("plateau", [], evaluations=[]),
]


def schedule_case(plan):
    last = plan.total_steps
    spread = np.linspace(1, last, 9).astype(int).tolist()
    wanted = {1, 2, 3, *spread, last - 1, *(t + i for t in plan.at for i in (0, 1))}
    if len(wanted) < 24:
        wanted |= {t + i for t in plan.at for i in (-1, 2)}
    every = rates(plan)
    return {
        "schedule": plan.schedule,
        "options": plan.options,
        "baseRate": plan.base_rate,
        "totalSteps": plan.total_steps,
        "stepsPerEpoch": plan.steps_per_epoch,
        "evaluations": plan.evaluations,
        "rates": {str(t): every[t - 1] for t in sorted(wanted) if 1 <= t <= last},
    }


# The files.


def short(x):
    """The shortest decimals that are these float32, also by way of float64."""
    decimals = [float(str(value)) for value in x]
    assert np.array_equal(np.array(decimals).astype(np.float32), x)
    return decimals


def data():
    """The start and the sets of gradient sums."""
    random = np.random.default_rng(SEED)
    # Small, so that what float32 rounds off in 200 sums stays well below the tests' 2e-6.
    start = (0.1 * random.standard_normal(COUNT)).astype(np.float32)
    # A tensor of norm 0 for LAMB and LARS.
    start[RANGES["2.bias"]] = 0
    sums = {}
    for name, sizes in [("wide", 10.0 ** np.linspace(-4, 4, COUNT)), ("even", np.ones(COUNT))]:
        values = random.standard_normal((STEPS, COUNT)) * sizes * EXAMPLES
        # As real gradients have it: some elements without a gradient for a while, and a whole tensor.
        values[:20, ::5] = 0
        values[:3, RANGES["0.bias"]] = 0
        sums[name] = values.astype(np.float32)
    return start, sums


def expected(case, start, sums):
    path = list(run(case, start.astype(np.float64), sums[case.gradients].astype(np.float64) / EXAMPLES))
    kept = [t for t in KEPT if t <= len(path)]
    result = {
        "rule": case.rule,
        "options": case.options,
        "gradients": case.gradients,
        "totalSteps": case.total_steps,
        "parameters": {str(t): path[t - 1][0].tolist() for t in kept},
    }
    if path[0][1] is not None:
        result["scalars"] = {str(t): path[t - 1][1] for t in kept}
    if path[0][2] is not None:
        result["averages"] = {str(t): path[t - 1][2].tolist() for t in kept}
    return result


def files():
    start, sums = data()
    tensors = [
        {"name": name, "shape": shape, "count": math.prod(shape), "range": [RANGES[name].start, RANGES[name].stop]}
        for name, shape in SHAPES.items()
    ]
    return {
        "rules.json": {
            "examples": EXAMPLES,
            "start": short(start),
            "tensors": tensors,
            "gradientSums": {name: [short(row) for row in rows] for name, rows in sums.items()},
            "cases": [expected(case, start, sums) for case in CASES],
        },
        "schedules.json": {"cases": [schedule_case(plan) for plan in PLANS]},
    }


def main():
    for name, content in files().items():
        path = pathlib.Path(__file__).with_name(name)
        lines = json.dumps(content).replace('{"rule"', '\n{"rule"').replace('{"schedule"', '\n{"schedule"')
        path.write_text(lines + "\n")
        print(f"{name}: {len(content['cases'])} cases, {path.stat().st_size} bytes")


# --check


def error(got, want):
    """What the tests hold against 2e-6."""
    return float(np.max(np.abs(got - want) / np.maximum(1, np.abs(want))))


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b if isinstance(a, str) else math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-15)


def check():
    """That the tests can ask for 2e-6, that the files are this script's, and that each option shows.

    A line a case: the largest error of the same equations with all vectors in float32 and scalars rounded once an
    update; the same, the worst of 20 runs whose gradients are each off by up to an ulp, as another order of operations
    may have it; and the smallest difference that leaving one of the options out would make."""
    tolerance = 2e-6
    here = pathlib.Path(__file__)
    for name, content in files().items():
        assert same(content, json.loads(here.with_name(name).read_text())), f"{name} is not what this script writes"

    fixed = {"weight-decay-kind"}
    for rule, defaults in DEFAULTS.items():
        given = {name for case in CASES if case.rule == rule for name in case.options}
        assert given >= {*defaults, "clip-value", "clip-norm", "weight-decay", "decay-biases"} - fixed, (rule, given)
        plain = {"basis-limit": 2} if rule == "soap" else {}
        assert any(case.rule == rule and case.options == plain for case in CASES), rule
    for schedule, (_, defaults) in SCHEDULES.items():
        given = {name for plan in PLANS if plan.schedule == schedule for name in plan.options}
        assert given >= {*defaults, "warmup"} - ({"warmup"} if schedule == "range" else set()), (schedule, given)

    start, sums = data()
    random = np.random.default_rng(1)
    failures = 0
    print("   float32    jitter   change by leaving out")
    for case in CASES:
        exact = sums[case.gradients].astype(np.float64) / EXAMPLES
        single = sums[case.gradients] / np.float32(EXAMPLES)
        path = list(run(case, start.astype(np.float64), exact))
        kept = [t for t in KEPT if t <= len(path)]

        def worst(gradients, start, options=None, case=case, path=path, kept=kept):
            """The largest errors of parameters at any update, and of parameters and scalar at the kept ones."""
            other = list(run(case, start, gradients, options))
            evaluated = [[step[0] if step[2] is None else step[2] for step in steps] for steps in (other, path)]
            errors = [
                max(error(got[0], want[0]), error(*both))
                for got, want, *both in zip(other, path, *evaluated, strict=True)
            ]
            pairs = [(got[1], want[1]) for got, want in zip(other, path, strict=True)]
            scalars = [abs(got - want) for got, want in pairs if None not in (got, want)]
            return max(errors), max(errors[t - 1] for t in kept), max(scalars, default=0.0)

        plain = worst(single, start)
        jittered = [
            worst(single * (1 + random.uniform(-1.2e-7, 1.2e-7, single.shape)).astype(np.float32), start)
            for _ in range(20)
        ]
        most = [max(column) for column in zip(*jittered, strict=True)]
        changes = []
        for name, value in case.options.items():
            # Decay of either kind is the same where the step is the gradient itself.
            gradient_alone = name == "weight-decay-kind" and RULES[case.rule] is gradient_descent
            if value != {**COMMON, **DEFAULTS[case.rule]}[name] and not gradient_alone:
                others = {other: value for other, value in case.options.items() if other != name}
                changes.append((worst(exact, start.astype(np.float64), others)[1], name))
        change, option = min(changes, default=(math.inf, "all defaults"))
        described = " ".join(f"{name}={value}" for name, value in case.options.items())
        steps = "" if case.total_steps == STEPS else f" T={case.total_steps}"
        bad = max(*plain, *most) >= tolerance or change < 10 * tolerance
        failures += bad
        print(
            f"{max(plain):10.2e}{max(most):10.2e}{change:9.1e} {option:18} {case.rule} {described} "
            f"[{case.gradients}{steps}]{' FAILS' if bad else ''}"
        )
    sys.exit(1 if failures else 0)


def torch_path(case, start, gradients):
    """The parameters after each update by torch.optim, as implementations of DiLoCo have it: an optimizer of the rule, and
    SGD with Nesterov momentum whose gradient is the anchor less the parameters."""
    import torch

    o = {**COMMON, **DEFAULTS[case.rule], **case.options}
    theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    if "beta2" in o:
        kind = torch.optim.AdamW if case.rule == "adamw" else torch.optim.Adam
        inner = kind([theta], o["learning-rate"], (o["beta1"], o["beta2"]), o["epsilon"], o["weight-decay"])
    else:
        inner = torch.optim.SGD([theta], o["learning-rate"], o.get("momentum", 0))
    anchor = theta.detach().clone().requires_grad_()
    outer = torch.optim.SGD(
        [anchor], o["outer-learning-rate"], o["outer-momentum"], nesterov=o["outer-momentum"] > 0
    )
    for t, g in enumerate(gradients[: case.total_steps], start=1):
        theta.grad = torch.tensor(g)
        inner.step()
        if t % o["outer-every"] == 0 or t == case.total_steps:
            anchor.grad = anchor.detach() - theta.detach()
            outer.step()
            with torch.no_grad():
                theta.copy_(anchor)
        yield theta.detach().numpy().copy()


def torch_groups(case, start, gradients):
    """The parameters after each update by torch.optim with parameter groups."""
    import torch

    o = {**COMMON, **DEFAULTS[case.rule], **case.options}
    groups = groups_of(o["parameter-group"])
    tensors = {n: torch.tensor(start[RANGES[n]], dtype=torch.float64, requires_grad=groups[n] is not None) for n in RANGES}
    parameters = []
    for name, group in groups.items():
        if group is not None:
            decays = o["decay-biases"] == "yes" or not name.endswith("bias")
            own = {**o, "weight-decay": o["weight-decay"] if decays else 0, **group}
            entry = {"params": [tensors[name]], "lr": own["learning-rate"], "weight_decay": own["weight-decay"]}
            if "beta2" in own:
                entry |= {"betas": (own["beta1"], own["beta2"]), "eps": own["epsilon"]}
            else:
                entry |= {"momentum": own.get("momentum", 0)}
            parameters.append(entry)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}.get(case.rule, torch.optim.SGD)
    optimizer = kind(parameters)
    for g in gradients[: case.total_steps]:
        for name, tensor in tensors.items():
            if groups[name] is not None:
                tensor.grad = torch.tensor(g[RANGES[name]])
        if o["clip-norm"] is not None:
            every = [tensor for tensor in tensors.values() if tensor.grad is not None]
            total = torch.nn.utils.get_total_norm([tensor.grad for tensor in every])
            if total > o["clip-norm"]:
                for tensor in every:
                    tensor.grad *= o["clip-norm"] / total
        optimizer.step()
        yield np.concatenate([tensors[name].detach().numpy() for name in RANGES])


def check_torch_muon():
    """torch.optim.Muon takes the Newton-Schulz steps in bfloat16, so its directions differ by about a hundredth."""
    import torch

    if not hasattr(torch.optim, "Muon"):
        return print("this PyTorch has no Muon")
    start, sums = data()
    case = SimpleNamespace(rule="muon", options={"learning-rate": 0.01, "weight-decay": 0.5}, total_steps=20)
    begin, gradients = start.astype(np.float64), sums["even"].astype(np.float64) / EXAMPLES
    for name in ("0.weight", "2.weight"):
        theta = torch.tensor(begin[RANGES[name]].reshape(SHAPES[name]), dtype=torch.float32, requires_grad=True)
        optimizer = torch.optim.Muon(
            [theta], lr=0.01, weight_decay=0.5, momentum=0.95, nesterov=True, adjust_lr_fn="match_rms_adamw"
        )
        # Until the mean has gradients in it that are not 0.
        for t, (ours, *_) in enumerate(run(case, begin, gradients)):
            theta.grad = torch.tensor(gradients[t][RANGES[name]].reshape(SHAPES[name]), dtype=torch.float32)
            optimizer.step()
        theirs = theta.detach().numpy().ravel()
        moved = ours[RANGES[name]] - begin[RANGES[name]]
        off = np.max(np.abs(theirs - ours[RANGES[name]])) / np.max(np.abs(moved))
        print(f"{off:10.2e} muon {name}")
        assert off < 0.03


def check_others():
    """Rules beside other people's programs: torch.optim, pytorch_optimizer and schedulefree, the first by its authors."""
    import pytorch_optimizer
    import schedulefree
    import torch

    def betas(o):
        return o["beta1"], o["beta2"]

    def adafactor(p, o):
        epsilons = o["epsilon"], o["least-scale"]
        clip, decay = o["update-clip"], o["weight-decay"]
        return torch.optim.Adafactor(p, o["learning-rate"], -o["decay-exponent"], epsilons, clip, decay)

    def nadam(p, o):
        options = {"momentum_decay": o["momentum-decay"], "decoupled_weight_decay": o["weight-decay-kind"] == "decoupled"}
        return torch.optim.NAdam(p, o["learning-rate"], betas(o), o["epsilon"], o["weight-decay"], **options)

    def adan(p, o):
        options = {"betas": (*betas(o), o["beta3"]), "weight_decay": o["weight-decay"], "eps": o["epsilon"]}
        return pytorch_optimizer.Adan(p, o["learning-rate"], **options)

    def stable_adamw(p, o):
        options = {"betas": betas(o), "weight_decay": o["weight-decay"], "eps": o["epsilon"]}
        return pytorch_optimizer.StableAdamW(p, o["learning-rate"], **options)

    def soap(p, o):
        options = {"betas": betas(o), "weight_decay": o["weight-decay"], "eps": o["epsilon"]}
        bases = {"precondition_frequency": o["basis-every"], "max_precondition_dim": o["basis-limit"]}
        return pytorch_optimizer.SOAP(p, o["learning-rate"], **options, **bases)

    def schedule_free(p, o):
        options = betas(o), o["epsilon"], o["weight-decay"], o["warmup"]
        return schedulefree.AdamWScheduleFree(p, o["learning-rate"], *options)

    start, sums = data()
    for rule, make, options in [
        ("adafactor", adafactor, {}),
        ("adafactor", adafactor, {"decay-exponent": 0.5, "epsilon": 0.01, "least-scale": 2, "update-clip": 1.5}),
        ("adafactor", adafactor, {"learning-rate": 0.05, "weight-decay": 0.25}),
        ("nadam", nadam, {"momentum-decay": 0.004}),
        ("nadam", nadam, {"beta1": 0.95, "momentum-decay": 1, "weight-decay": 0.1}),
        ("nadam", nadam, {"momentum-decay": 0.1, "weight-decay": 0.1, "weight-decay-kind": "decoupled"}),
        ("adan", adan, {}),
        ("adan", adan, {"beta1": 0.9, "beta2": 0.5, "beta3": 0.95, "weight-decay": 0.5, "epsilon": 1e-3}),
        ("stable-adamw", stable_adamw, {}),
        ("stable-adamw", stable_adamw, {"beta1": 0.8, "beta2": 0.9, "weight-decay": 0.2, "epsilon": 1e-3}),
        ("soap", soap, {"basis-limit": 2, "weight-decay": 0}),
        ("soap", soap, {"basis-limit": 2, "weight-decay": 0, "beta1": 0.8, "beta2": 0.9, "basis-every": 3}),
        ("schedule-free", schedule_free, {}),
        ("schedule-free", schedule_free, {"beta1": 0.5, "beta2": 0.95, "epsilon": 1e-3}),
        ("schedule-free", schedule_free, {"beta1": 0.98, "weight-decay": 0.5, "warmup": 20}),
    ]:
        case = SimpleNamespace(rule=rule, options=options, total_steps=STEPS)
        begin, gradients = start.astype(np.float64), sums["even"].astype(np.float64) / EXAMPLES
        tensors = [torch.tensor(begin[RANGES[n]].reshape(SHAPES[n]), requires_grad=True) for n in RANGES]
        optimizer = make(tensors, {**COMMON, **DEFAULTS[rule], **options})
        worst = 0.0
        for g, (trained, _, evaluated) in zip(gradients, run(case, begin, gradients), strict=True):
            for tensor, name in zip(tensors, RANGES, strict=True):
                tensor.grad = torch.tensor(g[RANGES[name]].reshape(SHAPES[name]))
            for mode, ours in [("train", trained), ("eval", evaluated)]:
                if ours is not None:
                    getattr(optimizer, mode, lambda: None)()
                    if mode == "train":
                        optimizer.step()
                    theirs = np.concatenate([tensor.detach().numpy().ravel() for tensor in tensors])
                    worst = max(worst, error(theirs, ours))
        print(f"{worst:10.2e} {rule} {options}")
        # The first keeps a product of momenta in float32; the second makes its QR decompositions in float32, and adds ε
        # before the correction of v.
        assert worst < {"nadam": 1e-9, "soap": 1e-7}.get(rule, 1e-14)


def check_torch():
    check_torch_muon()
    check_others()
    start, sums = data()
    for case in CASES:
        plain = "parameter-group" in case.options and "outer-every" not in case.options
        if plain and case.rule in ("sgd", "momentum", "adam", "adamw"):
            begin, gradients = start.astype(np.float64), sums[case.gradients].astype(np.float64) / EXAMPLES
            pairs = zip(run(case, begin, gradients), torch_groups(case, begin, gradients), strict=True)
            worst = max(error(got[0], want) for got, want in pairs)
            print(f"{worst:10.2e} {case.rule} {case.options}")
            assert worst < 1e-12
    for case in CASES:
        options = {"outer-every", "outer-learning-rate", "outer-momentum"}
        if case.rule not in ("sgd", "momentum", "adam", "adamw") or not {"outer-every"} <= {*case.options} <= options:
            continue
        start, gradients = start.astype(np.float64), sums[case.gradients].astype(np.float64) / EXAMPLES
        pairs = zip(run(case, start, gradients), torch_path(case, start, gradients), strict=True)
        worst = max(error(got[0], want) for got, want in pairs)
        print(f"{worst:10.2e} {case.rule} {case.options}")
        assert worst < 1e-12


if __name__ == "__main__":
    {("--check",): check, ("--torch",): check_torch}.get(tuple(sys.argv[1:]), main)()
