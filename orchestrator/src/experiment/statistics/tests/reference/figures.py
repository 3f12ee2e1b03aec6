"""Writes figures.json: what SciPy says of the same samples.

    python3 -m venv venv && venv/bin/pip install scipy==1.17.1 numpy==2.4.6
    venv/bin/python figures.py > figures.json
"""

import json
import math

import numpy
import scipy
from scipy import stats

CONFIDENCE = 0.95
generator = numpy.random.default_rng(20261123)


def blocks_of(count, samples, noise, shared, own, factor):
    """Lognormal times in blocks; A takes `factor` times what B takes."""
    block = generator.normal(0, shared, (count, 1))
    both = []
    for scale in (factor, 1.0):
        restart = generator.normal(0, own, (count, 1))
        sample = generator.normal(0, noise, (count, samples))
        both.append(numpy.round(1000 * scale * numpy.exp(block + restart + sample), 3))
    return both


def widened(n):
    return stats.norm.cdf(-math.sqrt(n / (n - 1)) * stats.t.ppf(CONFIDENCE, n - 1))


def effects(a, b):
    a, b = numpy.median(a), numpy.median(b)
    return {"speedup": a / b, "reduction": 1 - b / a, "difference": b - a}


def case(name, *shape):
    a, b = blocks_of(*shape)
    n = len(a)
    level = widened(n)
    found = {}
    for effect in ("speedup", "reduction", "difference"):
        result = stats.bootstrap(
            (numpy.arange(n),),
            lambda drawn: effects(a[drawn], b[drawn])[effect],
            n_resamples=99_999,
            vectorized=False,
            confidence_level=1 - 2 * level,
            method="percentile",
            rng=numpy.random.default_rng(1),
        )
        found[effect] = {
            "value": effects(a, b)[effect],
            "low": result.confidence_interval.low,
            "high": result.confidence_interval.high,
            "standard_error": result.standard_error,
        }
    return {"name": name, "a": a.tolist(), "b": b.tolist(), "effects": found}


def far(values):
    middle = numpy.median(values)
    deviation = stats.median_abs_deviation(values, scale="normal")
    return [int(i) for i in numpy.flatnonzero(numpy.abs(values - middle) > 3.5 * deviation)]


spread = numpy.round(generator.lognormal(4, 0.8, 60), 3)
print(
    json.dumps(
        {
            "made_by": f"scipy {scipy.__version__}, numpy {numpy.__version__}",
            "normal_cdf": [[x, stats.norm.cdf(x)] for x in (-4, -3.1, -2.4, -1.645, -0.5, 0, 0.3, 1, 2.5, 6)],
            "student_ppf": [
                [p, df, stats.t.ppf(p, df)] for p in (0.8, 0.95) for df in (1, 2, 3, 4, 5, 6, 7, 9, 14, 29, 30, 99)
            ],
            "widened": [[n, widened(n)] for n in (5, 6, 8, 10, 20, 40)],
            "outliers": {"values": spread.tolist(), "places": far(spread)},
            "cases": [
                case("five blocks, restarts", 5, 4, 0.1, 0, 0.1, 1.3),
                case("eight blocks, busy machine", 8, 3, 0.3, 0.2, 0, 1.0),
                case("twelve blocks, one sample each", 12, 1, 0.2, 0.1, 0, 2.6),
            ],
        },
        indent=1,
    )
)
