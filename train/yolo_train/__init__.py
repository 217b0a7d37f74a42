"""The training wing: datasets, augmentation, losses and the loop that makes `best.pt` of labelled images."""
