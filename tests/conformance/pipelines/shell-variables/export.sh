export MAGNUS_PRM_number=6 MAGNUS_PRM_new=7 MAGNUS_PRM_made='{"a": [1]}' MAGNUS_PRM_word=two\ words
export MAGNUS_PRM_digits=2
export MAGNUS_TRACK_score=0.5 MAGNUS_TRACK_label=good
