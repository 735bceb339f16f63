"""The checks of the worksheet: they say in words whether an answer is right.

Each function takes what you have written and prints one or two sentences. It returns an answer that is right, yours if
yours is, so that the worksheet goes on even if an exercise is not solved. (Read the worksheet first: what follows gives
the answers away.)
"""

import numpy as np

GO_ON = "Until then the worksheet goes on with an answer of its own."


def is_missing(answer):
    "Whether nothing has been written yet: the three dots stand there still, or a function returns nothing."
    return answer is None or answer is Ellipsis


def judge(number, answer, right, praise, hint, mistakes=(), also=()):
    """Print what is to be said about an answer, and return whether it is right.

    Args:
        number: of the exercise.
        answer: what the student has found, a number or an array.
        right: what is right.
        praise: what a right answer means.
        hint: what to look at if the answer is wrong in an unknown way.
        mistakes: pairs (value, sentence) of known wrong answers and what is wrong with them.
        also: other answers that count as right, such as those with n in place of n - 1.
    """
    start = f"Exercise {number}:"
    if is_missing(answer):
        print(f"{start} not answered yet. {GO_ON}")
        return False
    try:
        answer = np.asarray(answer, float)
    except (TypeError, ValueError):
        print(f"{start} not yet. The answer should be made of numbers, but it is {answer!r}. {GO_ON}")
        return False
    right = np.asarray(right, float)
    if answer.shape != right.shape:
        expected = f"an array of shape {right.shape}" if right.shape else "one number"
        print(f"{start} not yet. Expected {expected}, got shape {answer.shape}. {hint} {GO_ON}")
        return False
    if any(agrees(answer, np.asarray(one, float)) for one in (right, *also)):
        print(f"{start} right. {praise}")
        return True
    for wrong, sentence in mistakes:
        if agrees(answer, np.asarray(wrong, float)):
            print(f"{start} not yet. {sentence} {GO_ON}")
            return False
    print(f"{start} not yet. {hint} {GO_ON}")
    return False


def agrees(answer, other):
    "Whether two answers are the same up to rounding."
    return answer.shape == other.shape and np.allclose(answer, other, rtol=1e-6, atol=1e-12)


def called(number, function, *arguments):
    "What a function of the student returns; if it fails, the error is put into words and nothing is returned."
    if is_missing(function):
        return None
    try:
        return function(*arguments)
    except Exception as error:
        print(f"Exercise {number}: your function raises {type(error).__name__}: {error}.")
        return None


def error_of_the_mean(answer, values):
    "Exercise 1."
    n = len(values)
    right = values.std(ddof=1) / n**0.5
    mistakes = [
        (values.std(ddof=1), "This is the spread of single values, and the mean of n values is known better."),
        (values.std(), "This is the spread of single values, and the mean of n values is known better."),
        (values.var(ddof=1) / n, "This is the square of the error. Take the root."),
        (values.std(ddof=1) / n, "The error falls with the root of n, and not with n."),
    ]
    praise = f"The mean is {values.mean():.4f} with an error of {right:.4f}."
    hint = "The spread is O.std(ddof=1). By which function of n is it divided?"
    judge(1, answer, right, praise, hint, mistakes, also=[values.std() / n**0.5])
    return right


def function_of_mean_zero(function, x, values):
    "Exercise 2."

    def ours(x):
        "x^2 minus its mean."
        return x**2 - 1 / 3

    answer = called(2, function, x)
    if is_missing(answer) or np.shape(answer) != x.shape:
        judge(2, answer, ours(x), "", "The function should return one number for each x.")
        return ours
    middle = (np.arange(100_000) + 0.5) / 100_000  # the middle of many small steps: an integral without noise
    exact_mean = float(np.mean(function(middle)))
    answer = np.asarray(answer, float)
    if abs(exact_mean) > 1e-4 * answer.std() or answer.std() == 0:
        what = "it is the same number for all x" if answer.std() == 0 else f"its mean over [0, 1] is {exact_mean:.4f}"
        print(f"Exercise 2: not yet. The mean should be 0 and the function should vary, but {what}. {GO_ON}")
        return ours
    rho = float(np.corrcoef(values, answer)[0, 1])
    print(f"Exercise 2: right. The mean is 0, and the correlation with O is {rho:.3f}.")
    if abs(rho) < 0.9:
        print("It is allowed, but it does not help much. Look for a function that falls or rises where O does.")
        return ours
    return function


def best_coefficient(answer, values, h):
    "Exercise 3."
    covariance = np.cov(values, h)
    right = covariance[0, 1] / covariance[1, 1]
    mistakes = [
        (-right, "The sign is wrong: we subtract c h, and so c has the sign of the covariance."),
        (covariance[0, 1], "This is the covariance. It has to be divided by something."),
        (1 / right, "This is the inverse of the answer."),
        (covariance[0, 1] / covariance[0, 0], "Divide by the variance of h, and not by that of O."),
        (
            np.corrcoef(values, h)[0, 1],
            "This is the correlation coefficient. c is the covariance, divided by the variance of h.",
        ),
    ]
    factor = values.std() / (values - right * h).std()
    praise = f"The spread becomes {factor:.1f} times smaller, which is worth {factor**2:.0f} times the points."
    hint = "Differentiate the parabola of the text with respect to c. np.cov(O, h) has the four numbers you need."
    n = len(values)
    judge(3, answer, right, praise, hint, mistakes, also=[right * n / (n - 1), right * (n - 1) / n])
    return right


def _one_site(number, function, power):
    "Exercises 4 and 5: f = g' - g S' for g = phi^power and S = phi^4."

    def ours(phi):
        "The control variate of g = phi^power."
        return power * phi ** (power - 1) - 4 * phi ** (power + 3)

    phi = np.array([-1.3, -0.4, 0.2, 0.9, 1.1])
    slope = power * phi ** (power - 1)
    product = 4 * phi ** (power + 3)
    mistakes = [
        (slope + product, "The sign between the two terms is wrong: exp(-S) gives a minus when it is differentiated."),
        (-product, "The term g' is missing."),
        (slope, "The term with S' is missing."),
        (phi**power - product, "The first term is the derivative of g, and not g itself."),
        (slope - phi ** (power + 4), "This has S where S' should be. The derivative of phi^4 is 4 phi^3."),
        (slope - phi ** (power + 3), "The derivative of phi^4 is 4 phi^3: the factor 4 is missing."),
        (slope - 4 * phi**3, "The second term is the product of g and S'."),
        (product - slope, "This is -f. It has mean zero too, but follow the text: f = g' - g S'."),
    ]
    praise = f"At phi = 1 it is {ours(1.0):g}."
    hint = f"Write down g = phi^{power}, its derivative and S' = 4 phi^3, and put them into f = g' - g S'."
    right = judge(number, called(number, function, phi), ours(phi), praise, hint, mistakes)
    return function if right else ours


def control_variate_of_phi(function):
    "Exercise 4."
    return _one_site(4, function, 1)


def control_variate_of_cube(function):
    "Exercise 5."
    return _one_site(5, function, 3)


def best_coefficients(answer, values, q):
    "Exercise 6."
    right = np.linalg.lstsq(q - q.mean(axis=0), values - values.mean(), rcond=None)[0]
    uncentred = np.linalg.lstsq(q, values, rcond=None)[0]
    one_by_one = [np.cov(values, column)[0, 1] / column.var(ddof=1) for column in q.T]
    mistakes = [
        (uncentred, "Subtract the means first: otherwise the fit tries to take away the mean of O, too."),
        (one_by_one, "Each of these is the best coefficient if it is alone. Together they have to share the work."),
    ]
    factor = values.std() / (values - q @ right).std()
    praise = f"The spread becomes {factor:.1f} times smaller."
    hint = "Solve A c = b for A = q - q.mean(axis=0) and b = O - O.mean() with np.linalg.lstsq(A, b)[0]."
    judge(6, answer, right, praise, hint, mistakes)
    return right


def control_variate_on_a_lattice(function, theory, field, phi):
    "Exercise 7."
    g, divergence = field(phi)
    gradient = theory.gradient(phi)

    def ours(phi):
        "div g - sum_x g_x dS/dphi_x."
        g, divergence = field(phi)
        return divergence - (g * theory.gradient(phi)).sum()

    right = float(ours(phi))
    mistakes = [
        (divergence + (g * gradient).sum(), "The sign between the two terms is wrong."),
        (divergence - (g * phi).sum(), "g is multiplied by the gradient of the action, and not by the field."),
        (divergence, "The term with the gradient is missing."),
        (divergence - (g * gradient).mean(), "Take the sum over the sites, and not their mean."),
    ]
    hint = "Both g and theory.gradient(phi) have one number for each site. Multiply them and take the sum."
    answer = called(7, function, phi)
    judge(7, answer, right, "O - f is the same number on each configuration.", hint, mistakes)
    return ours  # the same, in a form that certainly works inside jax.vmap


def ratio_of_spreads(function):
    "Exercise 8."

    def ours(values, f):
        "sigma(O) / sigma(O - f)."
        return values.std() / (values - f).std()

    rng = np.random.default_rng(8)
    values = rng.normal(size=50)
    f = values + 0.2 * rng.normal(size=50)
    right = ours(values, f)
    mistakes = [
        (1 / right, "This is upside down: the ratio is larger than 1 if the control variate helps."),
        (right**2, "This is the ratio of the variances. The ratio of the spreads is its root."),
        (values.std() / f.std(), "Divide by the spread of O - f, and not by that of f."),
    ]
    hint = "It is the spread of O, divided by the spread of O - f."
    answer = called(8, function, values, f)
    is_right = judge(8, answer, right, "The same ratio stands in large letters in the panels.", hint, mistakes)
    return function if is_right else ours


def honest_ratio(answer, on_training, on_others):
    "Exercise 9."
    mistakes = [(on_training, "This is the ratio where the network was trained. It must not be quoted.")]
    praise = f"It is {on_others:.2f}. The ratio where the network was trained is {on_training:.2f}."
    hint = "Call ratio with O and f of the half to test."
    judge(9, answer, on_others, praise, hint, mistakes)
    return on_others


def best_step(answer, history):
    "Exercise 10."
    best = int(np.argmax(history["validation_ratio"]))
    right = float(history["step"][best])
    mistakes = [
        (best, "This is the place in the array. The step is what history['step'] has at this place."),
        (float(history["step"][int(np.argmax(history["train_ratio"]))]), "This is where the half to learn is best."),
        (float(history["step"][-1]), "This is the last step. Is the watched half best there?"),
    ]
    praise = f"After {right:.0f} steps the network begins to learn the noise of the 40 configurations to learn."
    hint = "Find with np.argmax where history['validation_ratio'] is largest."
    judge(10, answer, right, praise, hint, mistakes)
    return right


def relative_errors(answer, values, signal):
    "Exercise 11."
    n = len(values)
    spread = values.std(axis=0, ddof=1)
    right = spread / n**0.5 / signal
    mistakes = [
        (spread / signal, "This is the spread of single configurations. Divide it by the root of their number, too."),
        (spread / n**0.5, "This is the error. Divide it by the signal."),
        (values.std(ddof=1) / n**0.5 / signal, "Take the spread for each time: std(axis=0)."),
    ]
    hint = "It is the error of the mean at each time, divided by the signal at that time."
    praise = f"It grows from {100 * right[0]:.0f} % at t = 0 to {100 * right[-1]:.0f} % in the middle of the lattice."
    judge(11, answer, right, praise, hint, mistakes, also=[values.std(axis=0) / n**0.5 / signal])
    return right


def worth(answer, raw, improved):
    "Exercise 12."
    right = (raw[-1] / improved[-1]) ** 2
    mistakes = [(raw[-1] / improved[-1], "This is the ratio of the errors. The error falls with the root of n only.")]
    praise = f"One would need about {right:.0e} times as many configurations."
    hint = "If the error is r times smaller, how many times more configurations would do the same?"
    judge(12, answer, right, praise, hint, mistakes)
    return right
