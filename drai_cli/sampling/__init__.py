"""What `sample` is made of: plan, layout, output folder, manifest. Knows no prompt."""
