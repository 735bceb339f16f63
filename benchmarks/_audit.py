"""What two benchmarks share: the ratios of a correlator on many configurations, with the tails behind them."""


def print_times(ratio, improved):
    "Print the ratio of about ten times, and the kurtosis of O - f there: rare configurations can fool a ratio."
    centred = improved - improved.mean(axis=0)
    kurtosis = (centred**4).mean(axis=0) / (centred**2).mean(axis=0) ** 2
    for t in range(0, len(ratio), max(1, len(ratio) // 10)):
        print(f"  t={t:<3} ratio {ratio[t]:9.4g}  kurtosis of O - f {kurtosis[t]:6.1f}", flush=True)
