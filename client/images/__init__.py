"""Images on the client's side: what is sent, and how scores are drawn.

numpy, Pillow and matplotlib are optional (`pip install 'ligserve[image]'`) and imported where they are used.
"""
