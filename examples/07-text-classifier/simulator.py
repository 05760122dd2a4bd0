"""Tickets of a shop's support, made of sentences, since no free set of tickets has times and a change of style.

Seeded: from 30 June 2025 on, customers can write by chat, too. Every second ticket is then in small letters, with
abbreviations, slang and emoji.
"""

import numpy as np
import pandas as pd

START, SHIFT = pd.Timestamp("2025-06-02T00:00:00Z"), pd.Timestamp("2025-06-30T00:00:00Z")
"""The first day that is served, a Monday, and the first day of the chat."""
SERVED, TRAINING, TICKETS = 34, 28, 240
"""Days that are served, days before them for training, and tickets a day."""
QUEUES = ["account", "defect", "delivery", "refund"]
PROBLEMS = {
    "account": [
        "I cannot log in to my account since {day}",
        "The email to reset my password never arrives",
        "My account is locked although the password is correct",
        "Please change the address of my account before order {number}",
        "Somebody logged in to my account on {day} and it was not me",
        "I want to delete my account and all of my data",
        "The code for the login does not come to my phone",
        "How do I change the name on my profile",
    ],
    "defect": [
        "The {item} does not turn on",
        "The screen of the {item} flickers since {day}",
        "The battery of my {item} is empty after an hour",
        "The {item} makes a loud noise and smells burnt",
        "The app crashes when I connect the {item}",
        "A button of the {item} is broken",
        "The {item} stopped working after the last update",
        "There is a crack in the case of the {item}",
    ],
    "delivery": [
        "My parcel with the {item} has not arrived",
        "The tracking of order {number} has not changed since {day}",
        "The courier left the {item} with a neighbour who does not exist",
        "Order {number} is marked as delivered, but nothing is here",
        "When will the {item} be shipped",
        "The parcel was sent to my old street",
        "Half of order {number} is missing in the box",
        "Customs keeps my parcel since {day}",
    ],
    "refund": [
        "You charged my card twice for the {item}",
        "I sent the {item} back and still wait for my money",
        "The refund for order {number} is not on my bank statement",
        "I cancelled order {number} on {day}, please return the payment",
        "The invoice for the {item} shows the wrong amount",
        "The voucher was not deducted from the price of the {item}",
        "Why did I pay shipping for order {number}",
        "I want my money back for the {item}",
    ],
}
ITEMS = [
    "headphones",
    "coffee machine",
    "tablet",
    "blender",
    "lamp",
    "keyboard",
    "vacuum cleaner",
    "speaker",
    "camera",
    "watch",
]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
OPENINGS = ["Hello,", "Good morning,", "Dear support team,", "Hi there,", ""]
CLOSINGS = [
    "Please help me soon.",
    "Thank you very much.",
    "What can I do?",
    "I have been a customer for years.",
    "Could you call me back on 555-0142?",
    "This is the second time that I write.",
    "I am quite disappointed.",
    "",
]
CHATS = {
    "account": [
        "lemme in it says wrong pw",
        "cant get on since {day}",
        "sum1 hacked me halp",
        "where r the digits 4 ma fone",
        "pls nuke all u have on me",
        "need a new nick pls",
        "it bricked me out again",
        "dont get ur msg w the link",
    ],
    "defect": [
        "ma {item} is ded",
        "this {item} went kaput after 1 h",
        "brrr sounds n smoke wtf",
        "display all glitchy n stuff",
        "juice gone after 1 h",
        "it keeps dying on me",
        "clicky thing fell off ma {item}",
        "got a {item} w a boo boo",
    ],
    "delivery": [
        "where ma {item} at",
        "still nothin here since {day}",
        "driver dude gave it 2 sum1 else",
        "trackin stuck again",
        "says dropped but nope",
        "half of ma stuff aint in the box",
        "when u gonna send ma {item}",
        "border ppl got ma pkg",
    ],
    "refund": [
        "gimme ma cash back",
        "u hit ma card 2x",
        "where ma dough 4 the {item}",
        "promo didnt work on the {item}",
        "sent the {item} back n got nothin",
        "u guys took 2 much",
        "y do i pay 4 sendin stuff",
        "nuked ma order on {day} so pay up",
    ],
}
FILLERS = [
    "ngl",
    "fr fr",
    "tbh",
    "lowkey mad",
    "bruh",
    "omg",
    "smh",
    "idk what to do",
    "no cap",
    "😭",
    "💀💀",
    "🙏",
    "🤬",
    "lol",
]


def tickets(first_day: int, days: int, seed: int) -> pd.DataFrame:
    """Return the tickets of some days: id, time, text and the queue in which they end.

    Args:
        first_day: Counted from START; days before it have a number below 0.
        days: How many.
        seed: Of the random numbers.
    """
    random = np.random.default_rng(seed)
    size = days * TICKETS
    times = START + pd.Timedelta(days=first_day) + pd.to_timedelta((np.arange(size) * 86_400) // TICKETS, "s")
    queues = random.choice(QUEUES, size, p=[0.25, 0.25, 0.3, 0.2])
    chats = (times >= SHIFT) & (random.random(size) < 1 / 2)
    texts = [(_chat if chat else _letter)(queue, random) for queue, chat in zip(queues, chats, strict=True)]
    ids = [f"ticket-{time:%m%d-%H%M%S}" for time in times]
    return pd.DataFrame({"id": ids, "time": times, "text": texts, "queue": queues})


def _letter(queue: str, random: np.random.Generator) -> str:
    """Write a ticket; one in seven names a second problem, which belongs to another queue."""
    problems = [random.choice(PROBLEMS[queue])]
    if random.random() < 1 / 7:
        problems.insert(random.integers(2), random.choice(PROBLEMS[random.choice(QUEUES)]))
    said = [f"{_filled(problem, random)}." for problem in problems]
    return " ".join(part for part in (random.choice(OPENINGS), *said, random.choice(CLOSINGS)) if part)


def _chat(queue: str, random: np.random.Generator) -> str:
    """Write a ticket as customers chat."""
    fillers = random.choice(FILLERS, random.integers(1, 4), replace=False)
    return " ".join((_filled(random.choice(CHATS[queue]), random), *fillers))


def _filled(problem: str, random: np.random.Generator) -> str:
    number = random.integers(10_000, 99_999)
    return problem.format(item=random.choice(ITEMS), day=random.choice(DAYS), number=number)
