"""Logistic regression with equal classes, a light penalty and coefficients that may be bounded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bodysounds.types import Array, Floats

PRIOR = 0.5
# Nats that a standard deviation of a feature is worth, as a normal prior's own deviation: hardly
# felt by a few dozen trials, but it keeps coefficients finite where the classes are apart.
WORTH = 10.0

Float64s = npt.NDArray[np.float64]


def fit_logistic(
    table: Floats, target: Array, weight: Floats, rising: Sequence[int]
) -> tuple[Float64s, float]:
    """Return the coefficients and the intercept of the least weighted logistic loss.

    Parameters
    ----------
    table : float64 array of shape (n_trials, n_features), finite
    target : bool array of shape (n_trials,)
        With both classes.
    weight : float64 array of shape (n_trials,)
        Within each class; the classes weigh PRIOR and 1 - PRIOR.
    rising : sequence of int
        Columns whose coefficients are held at 0 or above.

    Returns
    -------
    coefficients : float64 array of shape (n_features,)
        Of the features as they come; 0 for a constant one.
    intercept : float
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    share = np.where(target, PRIOR / weight[target].sum(), (1 - PRIOR) / weight[~target].sum())
    share = share * weight
    penalty = (share @ share) / WORTH**2  # by the number of trials that equal weights would be
    middle = share @ table
    spread = np.sqrt(share @ (table - middle) ** 2)
    constant = spread <= 1e-12 * (1 + np.abs(middle))
    scale = np.where(constant, 1.0, spread)
    standard = np.where(constant, 0.0, (table - middle) / scale)
    sign = np.where(target, 1.0, -1.0)

    def loss(parameters: Float64s) -> tuple[float, Float64s]:
        held_back = parameters[:-1]
        margin = sign * (standard @ held_back + parameters[-1])
        slope = -sign * share * expit(-margin)
        gradient = np.append(slope @ standard + penalty * held_back, slope.sum())
        value = share @ np.logaddexp(0.0, -margin) + penalty / 2 * held_back @ held_back
        return float(value), gradient

    n_features = table.shape[1]
    bounds = [(0.0 if k in rising else None, None) for k in range(n_features)] + [(None, None)]
    options = {"maxiter": 1_000, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(
        loss, np.zeros(n_features + 1), jac=True, method="L-BFGS-B", bounds=bounds, options=options
    ).x
    coefficients: Float64s = found[:-1] / scale
    return coefficients, float(found[-1] - coefficients @ middle)
