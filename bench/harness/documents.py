"""Small built-in documents with questions, used when no data set is given."""

from typing import Final

DOCUMENTS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "Lease of the workshop at 12 Mill Lane. The tenancy begins on 1 March and runs for three years. The rent is "
        "900 euros a month, due on the third working day. Either party may end the lease with six months' notice in "
        "writing. The tenant keeps the boiler serviced once a year and may paint the walls in any light colour. The "
        "landlord answers for the roof, the drains and the outer doors. No machine louder than 80 decibels may run "
        "after eight in the evening.",
        (
            "How much notice must the tenant give?",
            "Who answers for the roof?",
            "When is the rent due?",
            "How loud may a machine be after eight in the evening?",
        ),
    ),
    (
        "Field report, week 22. The northern weir was cleared on Tuesday after the storm had carried two birches into "
        "it. The water stood at 141 centimetres before and 118 centimetres after. Four pairs of dippers were counted "
        "between the weir and the old bridge, one more than last year. The gauge at the bridge shows 3 centimetres "
        "too much and will be set right by the surveyor on 14 June. Sampling resumes when the water is below 110 "
        "centimetres.",
        (
            "How high was the water after the weir was cleared?",
            "How many pairs of dippers were counted?",
            "When will the gauge be set right?",
            "When does sampling resume?",
        ),
    ),
    (
        "Recipe for forty: lentil soup. Rinse 4 kilograms of brown lentils and leave them in cold water for one hour. "
        "Fry 2 kilograms of onions in 300 millilitres of oil until they are golden, add 1.5 kilograms of carrots, 12 "
        "bay leaves and the lentils, and fill up with 16 litres of water. It simmers for 50 minutes. Salt goes in at "
        "the end only, or the lentils stay hard; 500 millilitres of vinegar finish it. Leftovers keep for three days "
        "in the cold room.",
        (
            "Why does the salt go in at the end?",
            "How long does the soup simmer?",
            "How many bay leaves are needed?",
            "How long do leftovers keep?",
        ),
    ),
    (
        "Minutes of the rowing club, 4 October. Present were eleven members; the treasurer was excused. The new "
        "double scull costs 8,400 euros, of which the county pays a third. The members voted nine to two to buy it. "
        "The boathouse stays closed from 20 December to 6 January. Ida takes over the training of the juniors from "
        "Tomas, who moves to Lisbon. The next meeting is on 8 November at seven in the evening.",
        (
            "Who takes over the training of the juniors?",
            "What does the new double scull cost?",
            "How did the members vote?",
            "When is the boathouse closed?",
        ),
    ),
)
"""The text of each document and its questions."""
