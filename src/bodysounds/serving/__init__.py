"""Live streams of sound on Temporal: workflow, activities, worker, client."""
