"""Plain sentences that the tokenizers are trained on; their words make up the vocabulary."""

SENTENCES = (
    "I love you, I like you, I also kinda dislike you.",
    "The film was long, loud and not funny at all; my parents hated it (so did I)!",
    "A great great movie, warm and clever, with a wonderful cast.",
    "Why would anybody buy this phone? The battery dies before noon.",
    "The waiter forgot our order twice, but the soup was worth the wait.",
    "It is not bad, it is not good, it simply is.",
    "Never again will I fly with this company, never!",
    "He runs, she runs, they ran; nobody was running yesterday.",
    "Shipping was quick and the box arrived without a scratch.",
    "Prices rose by 3.5 percent in 2024, the bank said on Monday.",
)
