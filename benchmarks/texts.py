"""Texts to explain: short and long reviews for the benchmark, odd ones for the tests.

All were written for this project. SHORT are about 16 tokens of a WordPiece vocabulary with the special
tokens, MIDDLE about 40, LONG about 120; CONTEXTS are questions with texts of about 300; ODD are what users
also send. Sentiment, negation, length and script vary.
"""

SHORT = (
    "The soup was cold, the waiter was rude and the bill was wrong.",
    "I have never laughed so much in a cinema; go and see it tonight.",
    "Not a bad phone at all, but the battery hardly lasts a day.",
    "It broke after a week, and nobody answers my letters to the shop.",
    "A quiet, clever story that trusts its readers and never once cheats them.",
    "I wanted to like this album, but I could not finish the second song.",
    "The room smelled of smoke, yet the staff could not have been kinder.",
    "Nothing about this lamp is worth what they ask for it, honestly.",
    "My daughter adores this puzzle and asks for it every single evening.",
    "The plot makes no sense, though the actors do their very best.",
    "Fast delivery, fair price, and it fits exactly as the picture shows.",
    "I would not call it a failure, but it is far from good.",
    "What a waste of a lovely evening and of two excellent singers!",
    "The second half is so much better than the dull first one.",
    "Hardly a minute passes without a joke, and most of them work.",
    "They promised a refund in March, and I am still waiting for it.",
    "These boots kept my feet dry through three days of heavy rain.",
    "Too salty for me, but my husband ate all of it happily.",
    "The update fixed the crashes and, sadly, removed the one thing I used.",
    "Neither funny nor sad, this film simply goes on until it stops.",
)

MIDDLE = (
    "Anna Weber moved from Hamburg to Lisbon in March, where she opened a small bakery with her cousin Rui; "
    "they sell rye bread, cheese cakes and, on Sundays only, pretzels.",
    "The ferry to Bergen was late, so Mr Olsen took the night train by way of Oslo, slept badly, and still "
    "reached the meeting of the harbour board before the chairman found his glasses.",
    "In her second novel, Miriam Cole follows a clockmaker from Prague to Buenos Aires and back again, and "
    "although the plot wanders, the last hundred pages are among her very best.",
    "Nobody at the Riverside Museum could tell me when the Egyptian rooms will open again, but a guard named "
    "Tom showed us the old map of Cairo, which alone was worth the price.",
)

LONG = (
    "We stayed here for four nights in early May, and I am still not sure what to make of it. The view from "
    "our window was every bit as beautiful as the pictures had promised, and breakfast was generous, with "
    "fresh bread and good coffee. But the walls are thin, the lift was out of order on two of the days, and "
    "on our last morning there was no hot water at all. The manager did apologise, and she took a small "
    "part off the bill without being asked. I would not say that we regret it, yet next time we shall look "
    "for somewhere quieter, a little further from the harbour.",
    "This is the third vacuum cleaner from this maker that I have owned, and it will be the last. This one "
    "lost its suction within a month, and the plastic clip that holds the hose broke when I lifted it down "
    "the stairs. The shop told me to write to the maker, and the maker told me to go back to the shop. "
    "After six weeks and nine messages I was offered a discount on a new machine, which I did not want. It "
    "is loud, it is heavy, and it leaves half of the dog's hair where it was. Please do not waste your "
    "money.",
    "I came to this novel with low hopes, since I did not enjoy the author's earlier books, which I found "
    "cold and far too pleased with themselves. It follows two sisters over one summer, and almost nothing "
    "happens, and yet I could not put it down. The talk between them is sharp and funny, and the silences "
    "say even more. The ending, which I will not spoil, is neither happy nor sad, but it is exactly right. "
    "My only complaint is the chapter set in the city, which feels as if it belonged to another story. I "
    "have already bought two copies for friends.",
    "The director clearly loves old detective films, and there are moments when the shadows and the music "
    "come together and one forgets the time. Unfortunately those moments are few. The hero explains "
    "everything twice, once to his partner and once to us, and the villain can be guessed within ten "
    "minutes by anyone who is awake. The dialogue is stiff, the chase along the river goes on for ever, and "
    "a fine actress is given nothing to do but wait by the telephone. It is not a terrible film, and I have "
    "certainly seen worse this year, but I cannot honestly recommend it.",
    "My grandmother is eighty-six and had never used a tablet before, so we wanted something simple, with "
    "large letters and a clear screen. This one does the job wonderfully. She can call us, look at "
    "photographs and read the newspaper without any help, and she is rather proud of it. The battery lasts "
    "for two days, and the speakers are loud enough for her. Setting it up took a while because the "
    "instructions are badly translated, and the case is not included, although the advertisement seems to "
    "say so. Those are small things, and we would buy it again without a second thought.",
    "I ordered the dining table in January, it arrived in April, and two of its legs were of different "
    "colours. The company sent a new leg quickly, I will give them that, but it was the wrong length, and "
    "the next one came with no screws. In the end my neighbour, who is a carpenter, made one for me in an "
    "afternoon. If it had come complete and in time I would have given it five stars. As it is, I spent "
    "more hours on the telephone than at the table, and I cannot pretend that this was a good experience.",
    "What a surprise this small restaurant turned out to be! There is no sign outside, the chairs do not "
    "match, and the menu is written on a piece of cardboard, so we nearly walked past it. We had a bean "
    "soup, grilled sardines and a lemon cake that my son still talks about. Nothing was too salty or too "
    "sweet, and the wine of the house was better than many expensive bottles. You may have to wait half an "
    "hour for a seat, because they take no bookings, but you will not be sorry that you did.",
    "The course promises to teach you the basics of statistics in eight weeks, without any mathematics "
    "beyond school. The first three weeks are excellent: short films, good examples, and exercises with "
    "answers. After that it feels as if another person had taken over. Terms are used before they are "
    "explained, the exercises contain mistakes, and the questions that people ask in the forum remain "
    "unanswered for weeks. I finished it because I had paid for it, not because I was learning anything. "
    "With a careful revision this could be a very good course. At the moment it is not.",
    "Our flight was delayed by five hours, and this alone I could have forgiven, as nobody can change the "
    "weather. No one told us anything, the desk was closed, and the only water on offer was sold at twice "
    "its usual price. When we finally boarded, our seats had been given to other people, and my wife and I "
    "sat eleven rows apart. The crew on board was friendly and did what it could. The luggage, to our "
    "surprise, came out first. Still, it will take a great deal to make us fly with this company a second "
    "time.",
    "I have been running for about ten years, mostly on roads, and my knees had begun to complain. A friend "
    "suggested these shoes, and I was not convinced at first, because they look like two loaves of bread. "
    "Four months and three hundred kilometres later I can say that the pain is gone and that the soles "
    "hardly show any wear. They are not cheap and not fast, so for a race I still take my old pair. But for "
    "long and easy runs I have never had anything better, and I have already put a second pair aside.",
    "As somebody who has played this series since I was a child, I was looking forward to the new part more "
    "than I care to admit. It is a handsome game, there is no doubt about that, and the music is as grand "
    "as ever. You walk, you collect ten flowers, you walk back. The characters have lost the wit that made "
    "them dear to us, and the final battle is over before it becomes hard. After thirty hours I felt "
    "nothing but relief that it was done. Younger players may enjoy it; for me it is the weakest of them "
    "all.",
    "We hired this company to paint three rooms and a staircase, and we could hardly be happier. They came "
    "on the day and at the hour that we had agreed, covered every piece of furniture, and cleaned up each "
    "evening, so that we could live in the house all the while. When we noticed that the blue in the "
    "bedroom was darker than we had imagined, they did not argue but painted it again at no cost. The price "
    "was not the lowest of the four offers we had asked for, but it did not grow by a single penny on the "
    "way. We do not often write reviews; these people have earned one.",
    "The lecture hall was full, the speaker is famous, and the ticket was not cheap, so I expected an "
    "evening to remember. Instead we got an hour of anecdotes which anyone who has read his books already "
    "knows, told without much energy, and a quarter of an hour of advertisement for the next one. The "
    "questions from the audience were far more interesting than the answers. I do admire his early work, "
    "and I do not doubt that he knows his subject better than almost anyone alive. Perhaps he was tired, "
    "perhaps he no longer cares. Either way, I left disappointed and rather angry.",
    "If you suffer from back pain, as I do, you have probably bought a dozen cushions that made no "
    "difference whatsoever. It is firm, almost too firm on the first day, and the cover feels a little "
    "cheap. But after a week at my desk I noticed that I no longer stood up every twenty minutes, and after "
    "a month I had stopped thinking about my back at all. I cannot say whether it will help everybody, and "
    "I wish it came in a colour other than grey. All the same, of all the things I tried in five years, "
    "this is the only one that has worked.",
    "There is a good documentary hidden somewhere in these six episodes, and with a stricter editor it "
    "could have been told in two. The subject is fascinating: how a small town fought for its river and "
    "won. The people who took part speak with warmth and with humour, and some of the old footage is "
    "astonishing. But the same pictures return again and again, the music never stops telling us what to "
    "feel, and every episode begins with ten minutes of what we saw in the last. I watched it to the end "
    "and was moved by it, and I was bored by it too. Make of that what you will.",
    "The bank's new app is prettier than the old one, and that is the end of the good news. It takes three "
    "steps more to see my balance, the search no longer finds payments older than a year, and twice last "
    "week it told me that my password was wrong when it was not. I called the help line and was told to "
    "install it again, which deleted all the templates I had saved. I understand that things must change "
    "now and then, but a change ought to make something better for somebody. I am now looking for a bank "
    "that leaves well enough alone.",
    "I bought these headphones for the train, mainly to escape from other people's conversations, and they "
    "do this so well that I have twice missed my stop. The sound is clear and warm, voices in particular, "
    "though those who want a thundering bass should look elsewhere. They sit lightly and do not press, even "
    "with glasses. The case is bulky, and the little voice that announces every connection cannot be "
    "switched off, which is silly. Yet I use them every day, and I have not once thought of sending them "
    "back. For this price I do not believe that there is anything better.",
    "The museum has been closed for repairs for two years, and I wish I could say that the waiting was "
    "worth it. The building itself is splendid: light, calm, with a courtyard in which one would like to "
    "stay all day. But half of the pictures that people came for are no longer on show, the labels are so "
    "small that there is a crowd in front of each, and the audio guide, which used to be free, costs as "
    "much as the entrance. I shall come back in a year, in the hope that somebody has listened to the "
    "visitors by then.",
    "My first loaf from this bread machine was a brick, and so was my second. I was ready to return it when "
    "my sister asked whether I had warmed the water, which the booklet does not mention anywhere. Since "
    "then it has not failed me a single time. We have fresh bread every morning, the kitchen smells "
    "wonderful, and the children eat crusts that they would never have touched before. The timer is easy to "
    "use, the bowl is easy to clean, and it makes less noise than the dishwasher. One star less for the "
    "booklet, which is useless. The machine itself deserves every praise.",
    "I really tried to be fair to this play. The theatre is charming, the costumes are a delight, and the "
    "young man who plays the servant has a great future before him. But two and a half hours without an "
    "interval, on wooden benches, for a story that could be told on a postcard, is simply too much. The "
    "jokes about politics were old ten years ago, the songs are neither catchy nor well sung, and at the "
    "end half of the audience clapped out of sheer politeness. I was not amused.",
)

ODD = (
    "ok",
    "?",
    "No.",
    "meh...",
    "LOVE IT!!!",
    "not not good",
    "I don't hate it, I just don't love it, y'know?",
    "I love you, I like you, I also kinda dislike you",
    "5/5 would buy again :-) but 0/5 for the box :(",
    "Best. Day. Ever. \U0001f389\U0001f389\U0001f389",
    "\U0001f621\U0001f621 never again \U0001f44e\U0001f3fd",
    "\U0001f469‍\U0001f469‍\U0001f467 loved the hotel \U0001f3e8, hated the \U0001f63a café",
    "Das Essen war hervorragend, der Service leider nicht.",
    "Ce film n'est pas mauvais, il est même très réussi.",
    "La habitación olía a humedad y nadie pidió perdón.",
    "Отличная книга, но слишком длинная.",
    "この映画は最高でした。もう一度見たい!",
    "服务很差,再也不会来了。",
    "음식은 맛있었지만 너무 비쌌어요.",
    "الفيلم جميل لكن النهاية ضعيفة.",
    "यह फ़ोन बिल्कुल बेकार है।",
    "naïve façade, coöperation, Ångström: tout à fait «correct»",
    "cafe\u0301 with a combining accent, and \ufb01ne ligatures",
    "The(parenthesis)has,no spaces.And neither;does this!",
    "  leading,   inner   and trailing white space  ",
    "line one is fine\nline two is awful\n\tand this one is indented",
    "http://example.com/review?id=42&lang=en says it is 'great'",
    '<b>bold claim</b> & "quoted" praise',
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bad",
    "good bad good bad good bad good bad good bad good bad",
    "It cost $1,299.99 (incl. 19% VAT) on 2024-02-29 at 23:59.",
)

VARIED = SHORT + ODD + LONG

CONTEXTS = (
    ("Who took a small part off the bill?", " ".join((LONG[0], LONG[1], MIDDLE[0]))),
    ("Where do the two sisters spend the summer?", " ".join((LONG[2], MIDDLE[1], LONG[3]))),
    ("Which colour did the second leg of the table have?", " ".join((MIDDLE[3], LONG[5], LONG[6]))),
)
TOPICS = (
    "food",
    "travel",
    "music",
    "a broken device",
    "a kind person",
    "the price",
    "a film",
    "the weather",
    "family",
    "waiting",
)
