"""Sweeps as estimators of scikit-learn: `AutoMLClassifier` and `AutoMLRegressor`."""
