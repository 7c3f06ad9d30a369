package schema

// BarcodeResult is a barcode in the image of that index. Positions are in pixels of the upright image, corners as the code is read. The
// confidence, 0..1, is 1 for a code that was read.
type BarcodeResult struct {
	Image      int           `json:"image" jsonschema:"minimum=0"`
	Kind       BarcodeFormat `json:"format"`
	Confidence float32       `json:"confidence_score"`
	Center     PointF        `json:"barcode_box_center"`
	Box        TrapezeF      `json:"non_cropped_barcode_box"`
	Cropped    TrapezeF      `json:"cropped_barcode_box"` // with the margin of barcode_margin
	Status     BarcodeStatus `json:"bar_code_detection_status" jsonschema:"enum=0,enum=4"`
	// Crop is the picture of the code, straightened and with that margin, in the store.
	Crop *OutputImage `json:"cropped_barcode,omitempty"`
	// Data is what the code says; absent for one that was not read.
	Data *BarcodeData `json:"barcode_data,omitempty"`
}

// BarcodeFormat is a kind of barcode: pdf417, qr_code, data_matrix, aztec or code_128.
type BarcodeFormat string

// BarcodeStatus says what became of a barcode, in the numbers of the CryptoNets SDK.
type BarcodeStatus int

// The statuses. BarcodeFound is one that was read, or that nobody was to read.
const (
	BarcodeFound  BarcodeStatus = 0
	BarcodeUnread BarcodeStatus = 4
)

// BarcodeData is what a barcode says. What a North American driving licence or identity card says is in the fields behind Text, each ""
// where the card does not say it; dates are YYYY-MM-DD, gender is M, F or X, height is in inches or centimetres.
type BarcodeData struct {
	Text             Personal `json:"text"`
	Type             Personal `json:"type"`          // "aamva" for such a card, "text" for anything else
	DocumentType     Personal `json:"document_type"` // DL, ID or EN
	FirstName        Personal `json:"first_name"`
	LastName         Personal `json:"last_name"`
	MiddleName       Personal `json:"middle_name"`
	NameSuffix       Personal `json:"name_suffix"`
	FirstNameCut     Personal `json:"first_name_truncation"` // T, N or U
	LastNameCut      Personal `json:"last_name_truncation"`
	MiddleNameCut    Personal `json:"middle_name_truncation"`
	FirstNameAlias   Personal `json:"first_name_alias"`
	LastNameAlias    Personal `json:"last_name_alias"`
	SuffixAlias      Personal `json:"suffix_alias"`
	DateOfBirth      Personal `json:"date_of_birth"`
	IssueDate        Personal `json:"issue_date"`
	ExpirationDate   Personal `json:"expiration_date"`
	PlaceOfBirth     Personal `json:"place_of_birth"`
	Gender           Personal `json:"gender"`
	EyeColor         Personal `json:"eye_color"`
	HairColor        Personal `json:"hair_color"`
	Height           Personal `json:"height"`
	Street           Personal `json:"street_address1"`
	Street2          Personal `json:"street_address2"`
	City             Personal `json:"city"`
	State            Personal `json:"state"`
	PostalCode       Personal `json:"postal_code"`
	ResidenceStreet  Personal `json:"res_street_address1"`
	ResidenceStreet2 Personal `json:"res_street_address2"`
	CustomerID       Personal `json:"customer_id"`
	DocumentID       Personal `json:"document_id"`
	IssuingCountry   Personal `json:"issuing_country"`
	Audit            Personal `json:"audit_information"`
	InventoryControl Personal `json:"inventory_control_number"`
	// Problems say how the card deviates from the standard.
	Problems []string `json:"problems,omitempty"`
}
