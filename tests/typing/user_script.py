"""A user's script with most public names; it is checked by mypy and not run."""

from pathlib import Path
from typing import Any, reveal_type

import numpy as np
import pandas as pd

import rotary_mae as rm

df = pd.read_csv("observations.csv")
X, y = np.zeros((20, 2, 30)), np.arange(20) % 2

# data
long = rm.from_frame(df, id="object_id", time="mjd", channel="band", value="flux", error="flux_err", static=["z"])
wide = rm.from_frame(df, id="stay", time="minute", value=["hr", "sbp"], layout="measurements")
tokens: rm.TokenSet = rm.from_arrays(X, targets=y, channels=("a", "b"))
images = rm.from_images(np.zeros((4, 32, 32, 3)), patch=(16, 16))
audio = rm.from_audio([np.zeros(16_000)], sample_rate=16_000)
by_hand = rm.TokenSet([1.0, 2.0], [[0.0], [1.0]], [2], axes=("time",), channels=("g",))
some = (tokens[3:7], tokens[[4, 1]], tokens.ids, tokens.targets, tokens.channels, tokens.lengths, len(tokens))
tokens.to_parquet("tokens.parquet")
again = rm.read_parquet("tokens.parquet")
source: rm.Source = rm.open_cache(Path("cache"))
schema: rm.Schema = tokens.schema

# estimators
embedder = rm.RoMAEEmbedder(size="tiny", epochs=50, random_state=0).fit(tokens)
Z = embedder.transform(tokens)
classifier = rm.RoMAEClassifier(init=embedder, epochs=20, class_weight="balanced").fit(tokens, y)
probabilities = classifier.predict_proba(tokens)
accuracy = classifier.score(tokens, y)
summary = classifier.compare_with_baselines()
regressor = rm.RoMAERegressor(n_estimators=3, columns={"id": "object_id"}, out=Path("run")).fit(df, y.astype(float))
mean, std = regressor.predict(df, return_std=True)
interpolator = rm.RoMAEInterpolator(
    hiding=rm.Masking("block", 0.3),
    model={"decoder": rm.DecoderConfig(width=64, heads=2, depth=1)},
    training={"augmentation": rm.Augmentation(noise=0.1)},
).fit(tokens)
low, high = interpolator.predict(tokens, at=[np.zeros((3, 2))] * 20, quantiles=[0.05, 0.95])
scores: dict[str, float] = rm.evaluate(interpolator, tokens)
classifier.save("classifier")
loaded: Any = rm.load("classifier")

# models
scaling = rm.Scaling.fit(tokens)
batch = rm.TokenBatch.collate(scaling.apply(tokens)).hide(fraction=0.75, seed=0)
config = rm.RoMAEConfig(n_values=2, n_axes=2, size="tiny")
model = rm.RoMAEForPreTraining(config)
output = model(batch)
result = rm.train(model, tokens, rm.TrainingConfig(epochs=1), scaling=scaling)
history: list[dict[str, Any]] = result.history
head = rm.RoMAEForPrediction(config, outputs=2)
report = rm.transfer(model, head)
model.save_pretrained("model")
same = rm.RoMAEForPreTraining.from_pretrained("model")

reveal_type(tokens)
reveal_type(long)
reveal_type(embedder)
reveal_type(probabilities)
reveal_type(accuracy)
reveal_type(summary)
reveal_type(classifier.model_)
reveal_type(interpolator.calibration_)
reveal_type(scores)
reveal_type(scaling)
reveal_type(batch)
reveal_type(model)
reveal_type(same)
reveal_type(result)
reveal_type(report)

rm.RoMAEClassifier(epoch=3)
rm.RoMAEClassifier(epochs="many")
rm.RoMAEInterpolator(layout="columns")
rm.from_arrays(X, layout="column")
rm.train(model, tokens, {"epochs": 1})
rm.RoMAEConfig(n_values=1, n_axes=1, pooling="max")
unknown = rm.no_such_name
