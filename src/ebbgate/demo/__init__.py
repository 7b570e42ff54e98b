"""The main job, shown: one rollout that reaches everybody, and one that takes itself back."""
