"""TokenSets to what a model eats: batches, hiding, local context, augmentation, sampling."""
